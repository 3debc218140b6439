"""`danlu serve` without the command: real models, real Serve, from a config to answers and back to nothing."""

from __future__ import annotations

import runpy
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import openai
import psutil
import pytest
from ray.serve.schema import ServeDeploySchema

from danlu.config import validate
from danlu.errors import ConfigError, InputError, ResourceError, RunError
from serve_apps.config import ServeConfig
from serve_apps.launch import failure, is_running, lacks_room, start_apps, stop_apps
from serve_apps.specs import app_specs, config_for_folder, to_deploy_config

TINY = runpy.run_path(str(Path(__file__).parents[1] / "actors" / "engines" / "tiny_models.py"))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run directory of a compression: a tiny Qwen3 in both forms."""
    from actors.engines.openvino_folder import write_openvino_folder

    folder = tmp_path_factory.mktemp("runs") / "tiny"
    (folder / "model").mkdir(parents=True)
    TINY["write_checkpoint"](folder / "model")
    TINY["write_adapter"](folder / "model", folder / "adapter", seed=1)
    write_openvino_folder(folder / "model", folder / "openvino")
    return folder


@pytest.fixture(scope="module")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from actors.embedder import fit_embedder

    folder = tmp_path_factory.mktemp("embedder")
    fit_embedder(["云杉银行的信用卡挂失", "云杉移动的话费余额查询", "套餐变更次月生效"], 8).save(str(folder))
    return folder


@pytest.fixture(scope="module")
def client(ray_local: None, run: Path, embedder: Path, port: int) -> Iterator[openai.OpenAI]:
    config = {
        "models": [
            {"name": "fast", "path": str(run), "cpus": 0.2},
            {"name": "reference", "path": str(run / "model"), "cpus": 0.2, "adapters": {"poet": str(run)}},
        ],
        "embeddings": [{"name": "vectors", "path": str(embedder), "cpus": 0.2}],
        "port": port,
    }
    urls = start_apps(validate(ServeConfig, config))
    assert urls == [f"http://127.0.0.1:{port}/v1"]
    with openai.OpenAI(base_url=urls[0], api_key="unused", max_retries=0, timeout=60) as client:
        yield client
    stop_apps()
    with pytest.raises(httpx.ConnectError):
        httpx.get(urls[0])


# What ends a start comes first: the tests after it share one that runs.


@pytest.mark.parametrize("start", [app_specs, to_deploy_config, start_apps])
def test_engine_options_are_checked_before_anything_starts(run: Path, port: int, start: Callable[..., object]) -> None:
    config = config_for_folder(str(run), ["options.precision=fp16", f"port={port}"])
    with pytest.raises(
        ConfigError, match=r"options of the model tiny:\nengine option precision is 'fp16': input should"
    ):
        start(config)


def test_taken_port(ray_local: None, run: Path) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ResourceError, match=f"port is {port}"):
            start_apps(config_for_folder(str(run), [f"port={port}"]))


def test_too_few_cpus(ray_local: None, run: Path, port: int) -> None:
    with pytest.raises(ResourceError, match=r"wants 50\.2 CPUs, the cluster has"):
        start_apps(config_for_folder(str(run), ["cpus=50", f"port={port}"]))


def test_broken_checkpoint_ends_the_start(ray_local: None, run: Path, tmp_path: Path, port: int) -> None:
    shutil.copytree(run / "model", tmp_path / "broken")
    weights = tmp_path / "broken" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    with pytest.raises(InputError, match=r"broken.* can't be read: it has 5000 bytes"):
        start_apps(config_for_folder(str(tmp_path / "broken"), ["engine=transformers", f"port={port}"]))
    assert_closed(port)


SLOW = (
    "Deployment 'engine' in application 'model-m' has 1 replicas that have taken more than 30s to be scheduled. "
    'Resources required for each replica: {{"CPU": 0.5}}, total resources available: {{"CPU": {available}}}. '
)


def test_a_slow_start_is_no_lack_of_room() -> None:
    assert lacks_room(SLOW.format(available=0.25))
    assert not lacks_room(SLOW.format(available=0.5))
    assert not lacks_room("1 replicas that have taken more than 30s to initialize.")


@pytest.mark.parametrize(
    ("status", "messages", "error", "text"),
    [
        (
            "DEPLOY_FAILED",
            ["", "Error:\n  File x\nValueError: a bug"],
            RunError,
            "model-m did not start: ValueError: a bug",
        ),
        ("UNHEALTHY", ["", ""], RunError, "model-m did not start"),
        (
            "DEPLOYING",
            ["", SLOW.format(available=0.25)],
            ResourceError,
            "finds no place",
        ),
        (
            "DEPLOYING",
            ["", "Retrying 2 more time(s).\ndanlu.errors.ConfigError: a is 1: no"],
            ConfigError,
            "a is 1: no",
        ),
    ],
)
def test_an_application_that_cannot_run(status: str, messages: list[str], error: type[Exception], text: str) -> None:
    application, deployment = messages
    deployments = {"engine": SimpleNamespace(message=deployment)}
    overview = SimpleNamespace(status=status, message=application, deployments=deployments)
    with pytest.raises(error, match=text):
        is_running("model-m", {"model-m": overview})


def test_an_application_under_way() -> None:
    for status, running in (("DEPLOYING", False), ("RUNNING", True)):
        overview = SimpleNamespace(status=status, message="", deployments={})
        assert is_running("model-m", {"model-m": overview}) is running
    assert not is_running("model-m", {})


def assert_closed(port: int) -> None:
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/-/healthz")


SERVE = """
import signal
import sys
import ray
from serve_apps.launch import start_apps, stop_apps
from serve_apps.specs import config_for_folder
ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False)
try:
    print(*start_apps(config_for_folder(sys.argv[1], [f"port={sys.argv[2]}"])), flush=True)
    signal.pause()
except KeyboardInterrupt:
    stop_apps()
    ray.shutdown()
"""


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["starting", "running"])
def test_interrupt_leaves_nothing_behind(run: Path, port: int, moment: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SERVE, str(run), str(port)], stdout=-1, stderr=-1, text=True
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        if moment == "running":
            assert process.stdout.readline().strip() == f"http://127.0.0.1:{port}/v1"
        else:
            while "start applications" not in process.stderr.readline():
                assert process.poll() is None
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
        assert process.returncode == 0, stderr
    _, alive = psutil.wait_procs(children, timeout=20)
    assert not alive
    assert_closed(port)


def test_deploy_config_is_one(run: Path) -> None:
    values = {"name": "tiny", "path": str(run), "replicas": {"min": 0, "max": 3}}
    config = validate(ServeConfig, {"models": [values], "port": 8111})
    deploy = to_deploy_config(config)
    assert ServeDeploySchema.model_validate(deploy).http_options.port == 8111
    assert [(app["name"], app["route_prefix"]) for app in deploy["applications"]] == [
        ("model-tiny", None),
        ("gateway", "/v1"),
    ]
    for spec in app_specs(config):
        spec.build()


def test_deploy_config_of_versions_and_adapters(run: Path) -> None:
    def deploy(share: float) -> list[dict[str, Any]]:
        values: dict[str, Any] = {"name": "tiny", "path": str(run), "routing": {"by": "prefix", "most_ahead": 2}}
        values["replicas"] = {"min": 0, "max": 3, "target_kv_use": 0.8, "wake_within_s": 30}
        values |= {"adapters": {"poet": "runs/poet"}, "canary": {"path": "runs/other", "share": share}}
        made = to_deploy_config(validate(ServeConfig, {"models": [values]}))
        ServeDeploySchema.model_validate(made)
        return made["applications"]

    stable, canary, gateway = deploy(0.1)
    assert (stable["name"], canary["name"]) == ("model-tiny", "model-tiny@canary")
    assert (stable["args"]["path"], canary["args"]["path"]) == (str(run), "runs/other")
    assert (stable["args"]["adapters"], canary["args"]["adapters"]) == ({"poet": "runs/poet"}, {})
    assert (
        stable["args"]["routing"] == canary["args"]["routing"] == {"by": "prefix", "most_ahead": 2, "remembered": 10**5}
    )
    assert stable["args"]["replicas"]["target_kv_use"] == 0.8
    assert gateway["args"]["models"] == [
        {"name": "tiny", "version": "stable", "wake_within_s": 30.0, "canary": "canary"},
        {"name": "poet", "base": "tiny", "version": "stable", "wake_within_s": 30.0},
    ]
    assert gateway["deployments"] == [{"name": "gateway", "user_config": {"canary_shares": {"tiny": 0.1}}}]
    # Serve takes another share without a restart only where nothing else differs.
    assert [*deploy(0.2)[:2], {**deploy(0.2)[2], "deployments": None}] == [
        stable,
        canary,
        {**gateway, "deployments": None},
    ]


def test_folders_of_canaries_and_adapters_are_looked_at_first(run: Path, tmp_path: Path) -> None:
    model = {"name": "m", "path": str(run)}
    for more, message in (
        ({"canary": {"path": str(tmp_path), "share": 0.1}}, "holds no model"),
        ({"adapters": {"poet": str(tmp_path)}}, "holds no adapter"),
    ):
        with pytest.raises(InputError, match=message):
            start_apps(validate(ServeConfig, {"models": [{**model, **more}]}))


def test_the_tokenizers_of_all_versions_are_looked_at_first(run: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(run / "model", tmp_path / "bare")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    canary = {"path": str(folder), "share": 0.1}
    for model in ({"name": "m", "path": str(folder)}, {"name": "m", "path": str(run), "canary": canary}):
        with pytest.raises(InputError, match=r"bare has no tokenizer: it must hold tokenizer\.json"):
            start_apps(validate(ServeConfig, {"models": [model]}))


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ({"repair_round": 1}, "in the block code_generation:\nunknown key repair_round: did you mean repair_rounds"),
        ({"model": "other"}, "code_generation.model is 'other': models has tiny"),
    ],
)
def test_wrong_app_settings(run: Path, block: dict[str, object], message: str) -> None:
    values = {"models": [{"name": "tiny", "path": str(run)}], "apps": ["code_generation"], "code_generation": block}
    with pytest.raises(ConfigError, match=message):
        app_specs(validate(ServeConfig, values))


def test_apps_get_the_keys_file(run: Path) -> None:
    values = {"models": [{"name": "tiny", "path": str(run)}], "apps": ["code_generation"], "auth": {"keys_file": "k"}}
    _, ledger, gateway, app = app_specs(validate(ServeConfig, values))
    assert ledger.args == {"usage_file": "k.usage", "lifetime_s": 660.0}
    assert gateway.args["keys_file"] == app.args["keys_file"] == "k"
    assert app.route_prefix == "/code-generation/v1"


def test_folder_config(run: Path, tmp_path: Path) -> None:
    config = config_for_folder(str(run / "openvino"), ["engine=openvino", "replicas.max=4", "port=9000"])
    assert (config.models[0].name, config.models[0].replicas.max, config.port) == ("tiny", 4, 9000)
    assert config_for_folder(str(run), ["name=other"]).models[0].name == "other"
    with pytest.raises(InputError, match="holds no model"):
        config_for_folder(str(tmp_path))
    with pytest.raises(ConfigError, match=r"unknown key models\.0\.replicas\.most"):
        config_for_folder(str(run), ["replicas.most=4"])


def test_failure_finds_our_error_in_a_traceback() -> None:
    message = "Error:\nray::x()\n  File ...\ndanlu.errors.InputError: path is 'x': no such folder\nFix: check it\n"
    error = failure(message)
    assert isinstance(error, InputError)
    assert str(error) == "path is 'x': no such folder\nFix: check it"
    assert failure("ValueError: danlu is not at fault") is None


USER = [{"role": "user", "content": "挂失"}]


def test_an_adapter_is_a_model_of_its_own(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["fast", "reference", "poet", "vectors"]
    asked = {"prompt": "挂失", "max_tokens": 12, "temperature": 0, "extra_body": {"ignore_eos": True}}
    plain, poet = (client.completions.create(model=name, **asked) for name in ("reference", "poet"))
    assert plain.usage == poet.usage
    assert plain.choices[0].text != poet.choices[0].text


def test_engines_agree(client: openai.OpenAI) -> None:
    answers = [
        client.chat.completions.create(model=name, messages=USER, max_tokens=12, temperature=0)
        for name in ("fast", "reference")
    ]
    assert answers[0].choices[0].message.content
    assert answers[0].choices[0].message.content == answers[1].choices[0].message.content
    assert answers[0].usage == answers[1].usage


def test_streamed_answer_is_the_whole_answer(client: openai.OpenAI) -> None:
    arguments = {"model": "fast", "messages": USER, "max_tokens": 40, "temperature": 0.8, "seed": 3}
    whole = client.chat.completions.create(**arguments).choices[0].message.content
    chunks = client.chat.completions.create(**arguments, stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == whole


def test_embeddings(client: openai.OpenAI) -> None:
    answer = client.embeddings.create(model="vectors", input=["信用卡挂失", "话费余额"])
    vectors = [item.embedding for item in answer.data]
    assert [item.index for item in answer.data] == [0, 1]
    assert sum(x * x for x in vectors[0]) == pytest.approx(1, abs=1e-3)
    plain = client.embeddings.create(model="vectors", input="信用卡挂失", encoding_format="float")
    assert plain.data[0].embedding == pytest.approx(vectors[0], abs=1e-6)
    assert answer.usage.prompt_tokens == 9
    with pytest.raises(openai.BadRequestError, match="input 1 is empty"):
        client.embeddings.create(model="vectors", input=["a", ""])
    with pytest.raises(openai.NotFoundError, match="'fast' is a language model"):
        client.embeddings.create(model="fast", input="a")


def test_second_start_is_refused(client: openai.OpenAI, run: Path) -> None:
    with pytest.raises(ResourceError, match="runs on this cluster already"):
        start_apps(config_for_folder(str(run)))
    assert client.models.list().data  # and what runs goes on
