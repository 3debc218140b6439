"""Replicas that follow load, down to none, as clients see it: Serve, its controller and HTTP are the real thing."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from ray import cloudpickle, serve

from actors.engines.protocol import Delta, EngineStats, GenerationRequest
from serve_apps.config import ModelSettings, ServeConfig
from serve_apps.language_model import app_name
from serve_apps.models import EngineFactory, application
from serve_apps.specs import app_specs

QUICK = {"window_s": 1.0, "up_after_s": 0.0, "down_after_s": 1.0}


def busy_engine(echo: type) -> EngineFactory:
    """The echo engine, with `options`: seconds that a start takes, that a crowded request waits, its KV use."""

    class Busy(echo):  # type: ignore[misc,valid-type]
        def __init__(self, model: ModelSettings) -> None:
            super().__init__(model)
            self._options = model.options

        async def start(self) -> None:
            await asyncio.sleep(self._options.get("start_s", 0.0))

        async def generate(self, request: GenerationRequest) -> AsyncIterator[Delta]:
            # The second request of a replica has to wait: what another replica would spare it.
            await asyncio.sleep(self._options.get("crowded_s", 0.0) if self._running else 0.0)
            async for delta in super().generate(request):
                yield delta

        def stats(self) -> EngineStats:
            return EngineStats(self._running, 0, 0, 0, self._options.get("kv_use", 0.0) * min(1, self._running))

    return Busy


@pytest.fixture(scope="module")
def http(
    ray_local: None, port: int, tmp_path_factory: pytest.TempPathFactory, echo_engine: type
) -> Iterator[httpx.Client]:
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    folder = tmp_path_factory.mktemp("log")
    (folder / "config.json").write_text("{}")
    common = {"path": str(folder), "cpus": 0.1}
    asleep = {"min": 0, "max": 1, "window_s": 1.0, "zero_after_s": 1.0}
    config = ServeConfig.model_validate(
        {
            "models": [
                common | {"name": "lazy", "options": {"start_s": 1.0}, "replicas": asleep},
                common | {"name": "stuck", "options": {"start_s": 60.0}, "replicas": {**asleep, "wake_within_s": 1.0}},
                common
                | {"name": "late", "options": {"crowded_s": 1.0, "delay_s": 0.02}}
                | {"replicas": {"max": 2, "target_first_token_s": 0.3, **QUICK}},
                common
                | {"name": "full", "options": {"kv_use": 0.9, "delay_s": 0.02}}
                | {"replicas": {"max": 2, "target_kv_use": 0.5, **QUICK}},
            ]
        }
    )
    engine = busy_engine(echo_engine)
    models = [serve.RunTarget(application(m, engine), app_name(m.name), None) for m in config.models]
    # No engine of danlu's has these options.
    plain = config.model_copy(update={"models": [m.model_copy(update={"options": {}}) for m in config.models]})
    (gateway,) = [spec for spec in app_specs(plain) if spec.name == "gateway"]
    serve.start(http_options={"host": "127.0.0.1", "port": port})
    serve.run_many([*models, serve.RunTarget(gateway.build(), "gateway", "/v1")])
    with httpx.Client(base_url=f"http://127.0.0.1:{port}/v1", timeout=60) as http:
        yield http
    serve.shutdown()


def ask(http: httpx.Client, model: str, **fields: object) -> httpx.Response:
    return http.post("/completions", json={"model": model, "prompt": "x", "max_tokens": 20, **fields})


def replicas(model: str) -> int:
    states = serve.status().applications[app_name(model)].deployments["engine"].replica_states
    return sum(states.values())


def wait_until(is_so: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_model_that_sleeps_is_listed_and_the_first_request_wakes_it(http: httpx.Client) -> None:
    assert replicas("lazy") == 0
    assert "lazy" in [model["id"] for model in http.get("/models").json()["data"]]
    answers = list(ThreadPoolExecutor().map(lambda _: ask(http, "lazy"), range(3)))
    assert [answer.json()["choices"][0]["text"] for answer in answers] == ["x"] * 3
    assert replicas("lazy") == 1
    wait_until(lambda: replicas("lazy") == 0)
    with http.stream("POST", "/completions", json={"model": "lazy", "prompt": "x", "stream": True}) as stream:
        assert "[DONE]" in "".join(stream.iter_text())


def test_waking_is_waited_for_until_a_deadline(http: httpx.Client) -> None:
    answer = ask(http, "stuck")
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert "it was asleep and did not start within 1 s" in answer.json()["error"]["message"]
    assert "stuck" in [model["id"] for model in http.get("/models").json()["data"]]


@pytest.mark.parametrize("model", ["late", "full"])
def test_more_than_the_number_of_requests_makes_replicas(http: httpx.Client, model: str) -> None:
    assert replicas(model) == 1
    with ThreadPoolExecutor() as pool:
        done = False

        def keep_asking(_: int) -> int:
            count = 0
            while not done:
                count += ask(http, model, ignore_eos=True, max_tokens=50).status_code == 200
            return count

        # Far fewer than target_ongoing, which is 8 requests for each replica.
        answered = pool.map(keep_asking, range(3))
        try:
            wait_until(lambda: replicas(model) == 2)
        finally:
            done = True
        assert all(answered)
    wait_until(lambda: replicas(model) == 1)
