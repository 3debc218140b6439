"""Two versions of a model and its adapters, over HTTP: who answers, who is named, and a share that changes."""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from ray import cloudpickle, serve

from actors.engines.protocol import Delta, GenerationRequest
from danlu.config import validate
from danlu.errors import ConfigError
from serve_apps.canary import goes_to_canary
from serve_apps.config import ModelSettings, ServeConfig
from serve_apps.gateway.app import GatewayConfig
from serve_apps.gateway.versions import Versions
from serve_apps.language_model import LanguageModel, app_name, canary_app_name
from serve_apps.model_apps import versions_of
from serve_apps.models import EngineFactory, application
from serve_apps.specs import app_specs


def telling_engine(echo: type) -> EngineFactory:
    """The echo engine, which answers with its model's version and the adapter that was asked for."""

    class Telling(echo):  # type: ignore[misc,valid-type]
        def __init__(self, model: ModelSettings) -> None:
            super().__init__(model)
            self._version, self._adapters = model.version, model.adapters

        async def generate(self, request: GenerationRequest) -> AsyncIterator[Delta]:
            assert request.adapter is None or request.adapter in self._adapters
            yield Delta(f"{self._version} {request.adapter}", 1, 1, "stop")

    return Telling


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> ServeConfig:
    folder = tmp_path_factory.mktemp("log")
    (folder / "config.json").write_text("{}")
    model = {"name": "m", "path": str(folder), "cpus": 0.1, "version": "v1", "adapters": {"poet": str(folder)}}
    canary = {"path": str(folder), "share": 0.5, "version": "v2"}
    return ServeConfig.model_validate({"models": [model | {"canary": canary}]})


@pytest.fixture(scope="module")
def http(ray_local: None, port: int, config: ServeConfig, echo_engine: type) -> Iterator[httpx.Client]:
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    engine = telling_engine(echo_engine)
    names = [app_name("m"), canary_app_name("m")]
    versions = zip(versions_of(config.models), names, strict=True)
    (gateway,) = [spec for spec in app_specs(config) if spec.name == "gateway"]
    serve.start(http_options={"host": "127.0.0.1", "port": port})
    targets = [serve.RunTarget(application(model, engine), name, None) for model, name in versions]
    serve.run_many([*targets, serve.RunTarget(gateway.build(), "gateway", "/v1")])
    with httpx.Client(base_url=f"http://127.0.0.1:{port}/v1", timeout=30) as http:
        yield http
    serve.shutdown()


def chat(http: httpx.Client, text: str, model: str = "m", **fields: Any) -> tuple[str, str]:
    """What the model said, and the version that the header names."""
    messages = [{"role": "user", "content": text}]
    answer = http.post("/chat/completions", json={"model": model, "messages": messages, **fields})
    assert answer.status_code == 200, answer.text
    return answer.json()["choices"][0]["message"]["content"], answer.headers["x-model-version"]


def test_the_header_tells_who_answered_and_a_conversation_stays(http: httpx.Client) -> None:
    seen = {text: chat(http, text) for text in map(str, range(30))}
    assert set(seen.values()) == {("v1 None", "v1"), ("v2 None", "v2")}
    assert seen == {text: chat(http, text) for text in seen}
    text = next(text for text, (_, version) in seen.items() if version == "v2")
    longer = [
        {"role": "user", "content": text},
        {"role": "assistant", "content": "a"},
        {"role": "user", "content": "b"},
    ]
    answer = http.post("/chat/completions", json={"model": "m", "messages": longer, "stream": True})
    assert answer.headers["x-model-version"] == "v2"
    assert "v2 None" in answer.text


def test_a_user_stays_whatever_the_conversation(http: httpx.Client) -> None:
    for user in map(str, range(10)):
        versions = {chat(http, text, user=user)[1] for text in "abc"}
        body = {"model": "m", "prompt": "x", "user": user}
        versions.add(http.post("/completions", json=body).headers["x-model-version"])
        assert versions == {"v2" if goes_to_canary("m", f"user {user}", 0.5) else "v1"}


def test_an_adapter_is_a_model_of_its_own_on_the_first_version(http: httpx.Client) -> None:
    assert [model["id"] for model in http.get("/models").json()["data"]] == ["m", "poet"]
    assert {chat(http, text, model="poet") for text in map(str, range(10))} == {("v1 poet", "v1")}
    completion = http.post("/completions", json={"model": "poet", "prompt": "x"}).json()
    assert completion["choices"][0]["text"] == "v1 poet"
    assert completion["model"] == "poet"


def test_errors_name_the_version_too(http: httpx.Client) -> None:
    missing = http.post("/completions", json={"model": "other", "prompt": "x"})
    assert missing.status_code == 404
    assert "x-model-version" not in missing.headers


def test_another_share(http: httpx.Client, config: ServeConfig) -> None:
    values = config.model_dump()
    values["models"][0]["canary"]["share"] = 1.0
    (gateway,) = [spec for spec in app_specs(validate(ServeConfig, values)) if spec.name == "gateway"]
    serve.run(gateway.build(), name="gateway", route_prefix="/v1")
    deadline = time.monotonic() + 20
    while {chat(http, text)[1] for text in map(str, range(20))} != {"v2"}:
        assert time.monotonic() < deadline


def test_shares_that_are_none() -> None:
    versions = Versions({"m": LanguageModel("m")})
    with pytest.raises(ConfigError, match=r"canary_shares has 'x': models with a canary: m"):
        versions.reconfigure({"canary_shares": {"x": 0.5}})
    with pytest.raises(ConfigError, match=r"canary_shares\.m is 1\.5"):
        versions.reconfigure({"canary_shares": {"m": 1.5}})
    with pytest.raises(ConfigError, match="unknown key canary_share"):
        versions.reconfigure({"canary_share": {"m": 0.5}})


def test_models_may_be_names() -> None:
    (model,) = validate(GatewayConfig, {"models": ["m"]}).models
    assert (model.name, model.version, model.canary, model.base) == ("m", "stable", None, None)
