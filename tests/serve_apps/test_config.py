"""The rules of ServeConfig."""

from __future__ import annotations

from typing import Any

import pytest

from danlu.config import to_yaml, validate
from danlu.errors import ConfigError
from serve_apps.config import Replicas, ServeConfig, is_loopback
from serve_apps.specs import app_specs

MODEL = {"name": "m", "path": "runs/compress"}


def config(**keys: Any) -> ServeConfig:
    return validate(ServeConfig, {"models": [MODEL], **keys})


def test_defaults() -> None:
    made = config()
    assert (made.host, made.port, made.apps, made.auth.keys_file) == ("127.0.0.1", 8000, [], None)
    assert (made.models[0].engine, made.models[0].replicas) == ("auto", Replicas(min=1, max=1, target_ongoing=8.0))


def test_yaml_reads_back(tmp_path: Any) -> None:
    from danlu.config import load_config

    model = MODEL | {
        "replicas": {"min": 0, "max": 4, "target_ongoing": 3, "target_kv_use": 0.8, "target_first_token_s": 2},
        "routing": "prefix",
        "canary": {"path": "runs/other", "share": 0.1, "replicas": {"max": 2}},
        "adapters": {"poet": "runs/poet"},
    }
    made = config(models=[model], apps=["code_generation"])
    file = tmp_path / "serve.yaml"
    file.write_text(to_yaml(made), encoding="utf-8")
    assert load_config(ServeConfig, file) == made


SPREAD = {"tensor_parallel": 2, "pipeline_parallel": 2}


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"models": []}, "models is"),
        ({"models": [MODEL, MODEL]}, "m more than once"),
        ({"embeddings": [{"name": "m", "path": "x"}]}, "m more than once"),
        ({"models": [MODEL | {"name": "a/b/c"}]}, "models.0.name is 'a/b/c': a model's name has"),
        ({"models": [MODEL | {"name": "a/"}]}, "models.0.name"),
        ({"models": [MODEL | {"name": "/a"}]}, "models.0.name"),
        ({"models": [MODEL | {"name": "a/../b"}]}, "models.0.name"),
        ({"models": [MODEL | {"name": "a/.b"}]}, "models.0.name"),
        ({"models": [MODEL | {"name": "a~b"}]}, "models.0.name"),
        ({"models": [MODEL | {"version": "a/b"}]}, "models.0.version"),
        ({"models": [MODEL | {"engine": "vllm"}]}, "models.0.engine"),
        ({"models": [MODEL | {"engine": "tensorrt_llm"}]}, "gpus is 0: engine tensorrt_llm needs"),
        (
            {"models": [MODEL | {"engine": "tensorrt_llm", "gpus": 2.0, "options": SPREAD}]},
            "gpus is 2: options.tensor_parallel x options.pipeline_parallel is 4",
        ),
        ({"models": [MODEL | {"replicas": {"min": 3, "max": 2}}]}, r"replicas.min is 3: .* replicas.max \(2\)"),
        ({"models": [MODEL | {"replica": {}}]}, "did you mean models.0.replicas"),
        (
            {"models": [MODEL | {"replicas": {"target_kv_use": 0.8}}]},
            "target_kv_use is 0.8, which does nothing with min 1",
        ),
        ({"models": [MODEL | {"replicas": {"max": 2, "wake_within_s": 9}}]}, "wake_within_s is 9.* set min to 0"),
        ({"models": [MODEL | {"replicas": {"max": 2, "target_kv_use": 1.5}}]}, "target_kv_use is 1.5"),
        (
            {"models": [MODEL | {"engine": "tensorrt_llm", "gpus": 1, "replicas": {"max": 2, "target_kv_use": 0.8}}]},
            "tensorrt_llm does not tell its KV use",
        ),
        ({"models": [MODEL | {"routing": "nearest"}]}, "models.0.routing.by is 'nearest'"),
        ({"models": [MODEL | {"routing": {"most_ahead": 2}}]}, "most_ahead does nothing with routing.by=balanced"),
        ({"models": [MODEL | {"canary": {"path": "x"}}]}, "models.0.canary.share"),
        ({"models": [MODEL | {"canary": {"path": "x", "share": 1.1}}]}, "models.0.canary.share is 1.1"),
        (
            {"models": [MODEL | {"canary": {"path": "x", "share": 0.1, "version": "stable"}}]},
            "^in models.0: canary.version",
        ),
        ({"models": [MODEL | {"adapters": {"m": "x"}}]}, "m more than once"),
        ({"models": [MODEL | {"adapters": {"a/b": "x"}}]}, "letters, digits"),
        ({"models": [MODEL | {"adapters": {"a": "x"}, "engine": "openvino"}]}, "engine openvino can't serve them"),
        ({"apps": ["console"]}, "console is not available yet"),
        ({"apps": ["consol"]}, "'customer_service' or 'code_generation'"),
        ({"apps": ["code_generation", "code_generation"]}, "code_generation more than once"),
        ({"customer_service": {"knowledge": "x"}}, "apps does not list it"),
        ({"host": "0.0.0.0"}, "set auth.keys_file"),
        ({"host": "::"}, "set auth.keys_file"),
        ({"host": "gpu-7"}, "set auth.keys_file"),
        ({"port": 0}, "port is 0"),
        ({"prot": 1}, "did you mean port"),
    ],
)
def test_refused(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        config(**keys)


def test_a_name_with_an_owner_is_a_models_and_its_application_has_no_slash() -> None:
    """Serve names the log files of replicas by their application."""
    made = config(models=[MODEL | {"name": "Qwen/Qwen3-0.6B"}, MODEL | {"name": "Qwen-Qwen3-0.6B"}])
    made = config(models=[m.model_dump() for m in made.models], embeddings=[{"name": "BAAI/bge", "path": "b"}])
    names = [spec.name for spec in app_specs(made)]
    assert names == ["model-Qwen~Qwen3-0.6B", "model-Qwen-Qwen3-0.6B", "embedding-BAAI~bge", "gateway"]


def test_keys_open_other_addresses() -> None:
    assert config(host="0.0.0.0", auth={"keys_file": "keys"}).host == "0.0.0.0"


@pytest.mark.parametrize(
    ("host", "is_local"), [("127.0.0.1", 1), ("::1", 1), ("localhost", 1), ("10.0.0.1", 0), ("x", 0)]
)
def test_loopback(host: str, is_local: bool) -> None:
    assert is_loopback(host) == bool(is_local)


def test_the_canary_is_the_model_with_another_folder() -> None:
    canary = {"path": "runs/other", "share": 0.1}
    made = config(models=[MODEL | {"canary": canary, "adapters": {"a": "x"}, "replicas": {"max": 3}}]).models[0]
    second = made.of_canary()
    assert second is not None
    assert (second.name, second.path, second.version, second.adapters) == ("m", "runs/other", "canary", {})
    assert (second.replicas, second.canary) == (made.replicas, None)
    assert config().models[0].of_canary() is None


def test_a_replica_takes_more_than_its_target() -> None:
    assert [Replicas(target_ongoing=t).max_ongoing for t in (0.1, 1.0, 1.2, 8.0)] == [1, 2, 3, 16]
