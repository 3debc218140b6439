"""The rules of ServeConfig."""

from __future__ import annotations

from typing import Any

import pytest

from danlu.config import to_yaml, validate
from danlu.errors import ConfigError
from serve_apps.config import Replicas, ServeConfig, is_loopback

MODEL = {"name": "m", "path": "runs/compress"}


def config(**keys: Any) -> ServeConfig:
    return validate(ServeConfig, {"models": [MODEL], **keys})


def test_defaults() -> None:
    made = config()
    assert (made.host, made.port, made.apps, made.auth.keys_file) == ("127.0.0.1", 8000, [], None)
    assert (made.models[0].engine, made.models[0].replicas) == ("auto", Replicas(min=1, max=1, target_ongoing=8.0))


def test_yaml_reads_back(tmp_path: Any) -> None:
    from danlu.config import load_config

    made = config(models=[MODEL | {"replicas": {"min": 0, "max": 4, "target_ongoing": 3}}], apps=["code_generation"])
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
        ({"models": [MODEL | {"name": "a/b"}]}, "models.0.name"),
        ({"models": [MODEL | {"engine": "vllm"}]}, "models.0.engine"),
        ({"models": [MODEL | {"engine": "tensorrt_llm"}]}, "gpus is 0: engine tensorrt_llm needs"),
        (
            {"models": [MODEL | {"engine": "tensorrt_llm", "gpus": 2.0, "options": SPREAD}]},
            "gpus is 2: options.tensor_parallel x options.pipeline_parallel is 4",
        ),
        ({"models": [MODEL | {"replicas": {"min": 3, "max": 2}}]}, r"replicas.min is 3: .* replicas.max \(2\)"),
        ({"models": [MODEL | {"replica": {}}]}, "did you mean models.0.replicas"),
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


def test_keys_open_other_addresses() -> None:
    assert config(host="0.0.0.0", auth={"keys_file": "keys"}).host == "0.0.0.0"


@pytest.mark.parametrize(
    ("host", "is_local"), [("127.0.0.1", 1), ("::1", 1), ("localhost", 1), ("10.0.0.1", 0), ("x", 0)]
)
def test_loopback(host: str, is_local: bool) -> None:
    assert is_loopback(host) == bool(is_local)


def test_a_replica_takes_more_than_its_target() -> None:
    assert [Replicas(target_ongoing=t).max_ongoing for t in (0.1, 1.0, 1.2, 8.0)] == [1, 2, 3, 16]
