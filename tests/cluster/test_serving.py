"""`danlu serve`, and what it must not touch."""

from __future__ import annotations

import json
import os
import runpy
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

import httpx
import numpy as np
import psutil
import pytest
import ray
from click.testing import CliRunner
from safetensors.numpy import save_file

from cluster.command import cli
from cluster.demo import story
from cluster.demo.config import DemoConfig
from cluster.serving import check_start, proxy_context, resolve_serve_config, serve_until_interrupted
from danlu.config import validate
from danlu.errors import ConfigError, DanluError, InputError, ResourceError
from danlu.metrics import TARGETS_FOLDER, TARGETS_NAME
from danlu.progress import Progress
from danlu.run_directory import RunDirectory
from serve_apps.config import ServeConfig
from serve_apps.specs import config_for_folder

TINY = runpy.run_path(str(Path(__file__).parents[1] / "actors" / "engines" / "tiny_models.py"))
ServeTiny = Callable[..., tuple[str, subprocess.Popen[str]]]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """As much of a model as is looked at before anything starts."""
    folder = tmp_path / "compress" / "model"
    folder.mkdir(parents=True)
    sizes = {"num_attention_heads": 64, "hidden_size": 8192, "num_hidden_layers": 80, "max_position_embeddings": 10**7}
    (folder / "config.json").write_text(json.dumps(sizes))
    TINY["write_tokenizer"](folder)
    save_file({"weight": np.zeros(1, dtype=np.float32)}, folder / "model.safetensors")
    return folder.parent


@pytest.fixture
def others_serve(ray_local: None) -> Iterator[None]:
    """Somebody's Serve on the cluster, without HTTP as yet."""
    from ray import serve

    serve.start(proxy_location="Disabled")
    yield
    serve.shutdown()


def serve_runs() -> bool:
    return any(actor["namespace"] == "serve" for actor in ray.util.list_named_actors(all_namespaces=True))


def test_a_refused_serve_leaves_the_one_that_runs(others_serve: None, model: Path) -> None:
    with pytest.raises(ResourceError, match="runs on this cluster already"):
        serve_until_interrupted(config_for_folder(str(model)))
    assert serve_runs()


def test_a_refused_demo_leaves_the_one_that_runs(others_serve: None, model: Path, tmp_path: Path) -> None:
    config = DemoConfig(output=str(tmp_path))
    demo = story.Demo(config, RunDirectory(config.output, "demo"), Progress())
    with pytest.raises(ResourceError, match="runs on this cluster already"):
        story.serve(demo)
    assert serve_runs()


def test_a_wrong_address_is_a_users_mistake(model: Path) -> None:
    for address in ("foo", "localhost", "http://head:8265", "head:port"):
        with pytest.raises(ConfigError, match=f"--ray-address is '{address}'"):
            serve_until_interrupted(config_for_folder(str(model)), ray_address=address)


ONE = "models=[{{name: m, path: {model}"


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (["models=[{{name: m, path: /nope}}]"], "path is '/nope'"),
        ([ONE + ", adapters: {{a: /nope}}}}]"], "adapters.a is '/nope'"),
        ([ONE + ", options: {{colour: red}}}}]"], "engine option colour is 'red'"),
        ([ONE + "}}]", "auth.keys_file=/nope"], "/nope"),
        ([ONE + "}}]", "apps=[customer_service]"], "in the block customer_service"),
        ([ONE + "}}]", "embeddings=[{{name: e, path: {empty}}}]"], "embeddings.e.path is"),
        ([ONE + "}}]", "embeddings=[{{name: e, path: /nope}}]"], "embeddings.e.path is '/nope': no such folder"),
        ([ONE + "}}]", "gateway.audit.folder=/etc/passwd"], "'/etc/passwd': it is a file, not a folder"),
        ([ONE + "}}]", "gateway.audit.folder=/proc/x"], "'/proc/x': nothing can be written in /proc"),
        ([ONE + "}}]", "gateway.audit.folder=/etc/passwd/x/y"], "/etc/passwd is a file, not a folder"),
        (
            [ONE + "}}]", "auth.keys_file={keys}", "auth.usage_file=/proc/used"],
            "auth.usage_file is '/proc/used': nothing can be written in /proc",
        ),
        ([ONE + ", options: {{kv_cache_gib: 90000}}}}]"], "in options of the model m: kv_cache_gib is 90000"),
        (["models=[{{name: m, path: {encoder}}}]"], "architectures is ['BertModel']"),
    ],
)
def test_a_dry_run_refuses_what_a_start_would(model: Path, tmp_path: Path, keys: list[str], words: str) -> None:
    (tmp_path / "empty").mkdir()
    (encoder := tmp_path / "encoder").mkdir()
    (encoder / "config.json").write_text('{"architectures": ["BertModel"], "model_type": "bert"}')
    save_file({"weight": np.zeros(1, dtype=np.float32)}, encoder / "model.safetensors")
    (file := tmp_path / "keys.txt").write_text(f"one sha256:{0:064x}\n")
    given = [key.format(model=model, empty=tmp_path / "empty", encoder=encoder, keys=file) for key in keys]
    dry, real = (CliRunner().invoke(cli, ["serve", *given, *flag]) for flag in (["--dry-run"], []))
    assert isinstance(dry.exception, DanluError) and words in str(dry.exception)
    assert str(real.exception) == str(dry.exception)


def test_a_check_leaves_nothing_behind(model: Path, tmp_path: Path) -> None:
    (audit := tmp_path / "audit").mkdir()
    for folder in (audit, audit / "new" / "newer"):
        check_start(config_for_folder(str(model), [f"gateway.audit.folder={folder}"]))
    assert not any(audit.iterdir())


def test_too_few_cpus_are_told_without_a_ray(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "is_initialized", lambda: False)  # another test's may be there
    config = config_for_folder(str(model), ["cpus=2", "replicas.min=2", "replicas.max=2"])
    for cpus, fits in ((5, True), (4, False)):
        with nullcontext() if fits else pytest.raises(ResourceError, match=r"wants 4.2 CPUs.*has 4\n.*--cpus 5"):
            check_start(config, cpus=cpus)


def test_a_proxy_that_was_asked_for_and_can_not_be_had_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    values = {"models": [{"name": "m", "path": "m"}], "host": "127.0.0.2"}
    for gateway, said in (({}, False), ({"proxy": "haproxy"}, True)):
        with proxy_context(validate(ServeConfig, {**values, "gateway": gateway}), None):
            pass
        assert ("Serve's own proxy is used: host is 127.0.0.2" in capsys.readouterr().err) == said


def test_a_target_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match=r"danlu serve nowhere: there is neither a config file nor a model folder"):
        resolve_serve_config("nowhere", [])


def test_a_models_name_at_hugging_face_is_not_taken_for_a_path() -> None:
    with pytest.raises(InputError, match="not fetched by their name at Hugging Face") as refused:
        resolve_serve_config("Qwen/Qwen3-0.6B", [])
    assert "hf download Qwen/Qwen3-0.6B --local-dir Qwen3-0.6B" in refused.value.fix
    for path in ("configs/serve.yaml", "/Qwen/Qwen3", "a/b/c", "runs"):
        with pytest.raises(ConfigError, match="neither a config file nor a model folder"):
            resolve_serve_config(path, [])


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_file_of_a_model_stands_for_no_folder(model: Path, name: str) -> None:
    file = model / "model" / name
    with pytest.raises(ConfigError, match="it is a file of a model") as refused:
        resolve_serve_config(str(file), [])
    assert refused.value.fix == f"give the folder: danlu serve {file.parent}"


@pytest.mark.slow
def test_a_served_model_answers_and_is_watched(serve_tiny: ServeTiny) -> None:
    url, process = serve_tiny()
    body = {"model": "tiny", "prompt": "挂失", "max_tokens": 4}
    assert httpx.post(f"{url}/completions", json=body, timeout=60).status_code == 200
    file = TARGETS_FOLDER / TARGETS_NAME.format(pid=process.pid)
    [target] = json.loads(file.read_text())[0]["targets"]
    assert httpx.get(f"http://{target}/metrics", timeout=30).status_code == 200
    process.terminate()
    assert process.wait(timeout=60) == 130
    assert not file.exists()


def test_a_model_whose_process_is_killed_comes_back(serve_tiny: ServeTiny) -> None:
    """A replica that lived on without its model took requests, and failed them all, until Serve noticed."""
    url, process = serve_tiny(engine="openvino")
    body = {"model": "tiny", "prompt": "挂失", "max_tokens": 3000, "ignore_eos": True, "stream": True}
    with httpx.stream("POST", f"{url}/completions", json=body, timeout=60) as response:
        lines = response.iter_lines()
        next(lines)
        below = psutil.Process(process.pid).children(recursive=True)
        (model,) = [p for p in below if "actors.engines.model_process" in p.cmdline()]
        model.kill()
        rest = [line for line in lines if line]
    assert json.loads(rest[-1].removeprefix("data: "))["error"]["code"] == "model_unavailable"
    statuses = []
    deadline = time.monotonic() + 60
    while 200 not in statuses and time.monotonic() < deadline:
        short = {**body, "max_tokens": 1, "stream": False}
        statuses.append(httpx.post(f"{url}/completions", json=short, timeout=60).status_code)
        time.sleep(0.2)
    assert statuses[-1] == 200 and set(statuses) <= {200, 503}


@pytest.mark.slow
def test_a_model_with_its_owners_name_answers(serve_tiny: ServeTiny) -> None:
    name = "Qwen/Qwen3-0.6B"
    url, _ = serve_tiny(name=name)
    body = {"model": name, "prompt": "挂失", "max_tokens": 4}
    answer = httpx.post(f"{url}/completions", json=body, timeout=60)
    assert (answer.status_code, answer.json()["model"]) == (200, name)
    assert [model["id"] for model in httpx.get(f"{url}/models").json()["data"]] == [name]
    for asked in (name, name.replace("/", "%2F")):
        one = httpx.get(f"{url}/models/{asked}")
        assert (one.status_code, one.json().get("id")) == (200, name)
    assert httpx.get(f"{url}/models/Qwen/other").status_code == 404


@pytest.mark.slow
@pytest.mark.parametrize("end", ["SIGTERM", "Ctrl-C"])
def test_an_end_lets_open_streams_finish(serve_tiny: ServeTiny, end: str) -> None:
    url, process = serve_tiny()
    body = {"model": "tiny", "prompt": "挂失", "max_tokens": 1500, "ignore_eos": True, "stream": True}
    with httpx.stream("POST", f"{url}/completions", json=body, timeout=60) as response:
        lines = response.iter_lines()
        next(lines)
        if end == "SIGTERM":
            process.terminate()
        else:  # a terminal tells every process of the group
            os.killpg(process.pid, signal.SIGINT)
        rest = [line for line in lines if line]
    assert rest[-1] == "data: [DONE]" and '"finish_reason":"length"' in rest[-2]
    assert process.wait(timeout=90) == 130
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/models")


@pytest.mark.slow
def test_an_end_of_the_whole_process_group_is_an_end(serve_tiny: ServeTiny) -> None:
    """As systemd does it unless told otherwise: Ray's processes have gone before they could be asked anything."""
    _, process = serve_tiny()
    os.killpg(process.pid, signal.SIGTERM)
    assert process.wait(timeout=90) == 130
