"""The child process, with a stand-in for the executable that answers as the real one documents it."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from actors.engines import select
from actors.engines.model_folders import Hardware
from actors.engines.protocol import EngineDownError, GenerationRequest, SamplingParams
from actors.engines.select import create_engine, engine_availability
from actors.engines.tensorrt_signatures import SERVE_OPTIONS
from actors.engines.trtllm_serve import TrtllmServeEngine
from danlu.errors import InputError, NotAvailableError, RunError

STAND_IN = Path(__file__).with_name("trtllm_stand_in.py")


class Executable:
    """A stand-in on disk, and what it did."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.path = folder / "trtllm-serve"
        self.path.write_text(f"#!{sys.executable}\n{STAND_IN.read_text()}")
        self.path.chmod(0o755)
        self.log = folder / "log.jsonl"
        self._patch = patch
        patch.setenv("STAND_IN_LOG", str(self.log))
        patch.setenv("PYTHONPATH", os.getcwd())

    def mode(self, mode: str) -> None:
        self._patch.setenv("STAND_IN_MODE", mode)

    def events(self, kind: str) -> list[Any]:
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [event for event in map(json.loads, lines) if kind in event]

    def engine(self, checkpoint: Path, **settings: Any) -> TrtllmServeEngine:
        engine = TrtllmServeEngine(checkpoint, executable=str(self.path), **settings)
        engine._server._pause_s = 0.05
        return engine

    def is_gone(self) -> bool:
        pids = [event[key] for event in self.events("started") for key in ("pid", "worker")]
        return wait_for(lambda: not any(is_running(pid) for pid in pids))


def is_running(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def wait_for(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 20
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


@pytest.fixture
def executable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Executable:
    return Executable(tmp_path, monkeypatch)


def request(name: str = "a", prompt: str = "云杉", **sampling: Any) -> GenerationRequest:
    return GenerationRequest(name, prompt, SamplingParams(**{"max_tokens": 7, **sampling}))


def test_the_server_is_started_with_documented_options_and_ended(
    executable: Executable, checkpoint: Path, ask: Any
) -> None:
    engine = executable.engine(checkpoint, tensor_parallel=2, pipeline_parallel=4, sequences=64, kv_cache_share=0.5)
    ask(engine, request())
    (started,) = executable.events("started")
    arguments = started["started"]
    assert arguments[1] == str(checkpoint)
    options = dict(zip(arguments[2::2], arguments[3::2], strict=True))
    assert int(options.pop("--port")) > 0
    assert {*options, "--port"} == SERVE_OPTIONS
    assert options == {
        "--host": "127.0.0.1",
        "--backend": "pytorch",
        "--tp_size": "2",
        "--pp_size": "4",
        "--max_batch_size": "64",
        "--max_seq_len": "256",
        "--kv_cache_free_gpu_memory_fraction": "0.5",
    }
    assert started["path"] is None, "the server's Python is not to find this one's packages"
    assert executable.is_gone()


def test_answers_stream_as_deltas(executable: Executable, checkpoint: Path, ask: Any) -> None:
    engine = executable.engine(checkpoint)
    asked = [request(str(i), max_tokens=60) for i in range(4)]
    for deltas in ask(engine, *asked):
        assert "".join(delta.text for delta in deltas) == "云" * 60
        assert (deltas[-1].completion_tokens, deltas[-1].finish_reason) == (60, "length")
        assert 1 < len(deltas) < 40, "the first at once, then bundles"
        assert all(delta.prompt_tokens == len(engine.tokenizer.encode("云杉")) for delta in deltas)
    assert engine.stats().completion_tokens == 240


@pytest.mark.parametrize(
    ("sampling", "expected"),
    [
        ({"temperature": 0.0}, {"top_k": 1}),
        ({"temperature": 0.7, "top_p": 0.9}, {"temperature": 0.7, "top_p": 0.9}),
        ({"top_k": 5, "seed": -1}, {"temperature": 1.0, "top_p": 1.0, "top_k": 5, "seed": 2**31 - 1}),
        ({"stop": ("。", "\n")}, {"temperature": 1.0, "top_p": 1.0, "stop": ["。", "\n"]}),
    ],
)
def test_sampling_is_said_in_their_terms(
    executable: Executable, checkpoint: Path, ask: Any, sampling: dict[str, Any], expected: dict[str, Any]
) -> None:
    engine = executable.engine(checkpoint)
    ask(engine, request(**sampling))
    (asked,) = executable.events("request")
    common = {
        "model": str(checkpoint),
        "prompt": engine.tokenizer.encode("云杉"),
        "max_tokens": 7,
        "ignore_eos": False,
        "stream": True,
        "stream_options": {"include_usage": True, "continuous_usage_stats": True},
    }
    assert asked["request"] == {**common, **expected}


def test_aborts_and_readers_that_leave_close_the_connection(executable: Executable, checkpoint: Path) -> None:
    async def session() -> None:
        engine = executable.engine(checkpoint)
        await engine.start()
        stream = engine.generate(request(max_tokens=200))
        await anext(stream)
        await stream.aclose()
        aborted = engine.generate(request(max_tokens=200))
        deltas = [await anext(aborted)]
        assert engine.stats().running == 1
        with pytest.raises(InputError, match="under way"):
            await anext(engine.generate(request()))
        await engine.abort("a")
        await engine.abort("nobody")
        deltas += [delta async for delta in aborted]
        assert deltas[-1].finish_reason == "abort" and deltas[-1].completion_tokens < 200
        assert engine.stats().running == 0
        assert await asyncio.to_thread(wait_for, lambda: len(executable.events("aborted")) == 2)
        await engine.shutdown()

    asyncio.run(session())


def test_an_abort_reaches_a_server_that_has_not_answered_yet(executable: Executable, checkpoint: Path) -> None:
    executable.mode("late")

    async def session() -> list[Any]:
        engine = executable.engine(checkpoint)
        await engine.start()
        stream = engine.generate(request(prompt="<|endoftext|>"))
        asked = asyncio.ensure_future(anext(stream))
        assert await asyncio.to_thread(wait_for, lambda: len(executable.events("request")) == 1)
        await engine.abort("a")
        deltas = [await asyncio.wait_for(asked, 10)] + [delta async for delta in stream]
        assert await asyncio.to_thread(wait_for, lambda: len(executable.events("left")) == 1)
        assert engine.stats().running == 0
        await engine.shutdown()
        return deltas

    (delta,) = asyncio.run(session())
    assert (delta.text, delta.completion_tokens, delta.finish_reason) == ("", 0, "abort")
    assert executable.events("left") == [{"left": True}]


def test_a_shutdown_ends_requests_as_aborted(executable: Executable, checkpoint: Path) -> None:
    async def session() -> None:
        engine = executable.engine(checkpoint)
        await engine.start()
        stream = engine.generate(request(max_tokens=200))
        await anext(stream)
        ending = asyncio.create_task(engine.shutdown())
        assert [delta async for delta in stream][-1].finish_reason == "abort"
        await ending
        with pytest.raises(RunError, match="shut down"):
            await anext(engine.generate(request()))

    asyncio.run(session())


def test_a_refused_request_says_why(executable: Executable, checkpoint: Path, ask: Any) -> None:
    engine = executable.engine(checkpoint)
    with pytest.raises(InputError, match="answered 400: token 1 is not liked"):
        ask(engine, request(prompt="<|im_start|>"))


def test_a_server_that_ends_while_it_loads_says_why(executable: Executable, checkpoint: Path, ask: Any) -> None:
    executable.mode("crash")
    with pytest.raises(RunError, match=r"ended with code 1; it said:\nloading the weights\nRuntimeError: CUDA out of"):
        ask(executable.engine(checkpoint), request())


def test_a_server_that_is_never_healthy_is_ended(executable: Executable, checkpoint: Path, ask: Any) -> None:
    executable.mode("deaf")
    with pytest.raises(RunError, match="not healthy within 2 s"):
        ask(executable.engine(checkpoint, start_timeout_s=2.0), request())
    assert executable.events("started") and executable.is_gone()


def test_a_server_that_dies_is_started_again(executable: Executable, checkpoint: Path) -> None:
    executable.mode("mortal")

    async def session() -> None:
        engine = executable.engine(checkpoint)
        await engine.start()
        with pytest.raises(RunError, match="lost a request"):
            await anext(engine.generate(request(prompt="<|endoftext|>")))
        await engine.health()
        assert await asyncio.to_thread(wait_for, lambda: len(executable.events("started")) == 2)
        while engine._server.problem:
            await asyncio.sleep(0.02)
        assert [delta async for delta in engine.generate(request())][-1].finish_reason == "length"
        await engine.shutdown()

    asyncio.run(session())
    assert executable.is_gone()


def test_a_server_that_keeps_dying_is_given_up(executable: Executable, checkpoint: Path) -> None:
    executable.mode("doomed")

    async def session() -> None:
        engine = executable.engine(checkpoint, restarts=1)
        await engine.start()
        with pytest.raises(RunError):
            await anext(engine.generate(request(prompt="<|endoftext|>")))
        while not engine._server.given_up:
            await asyncio.sleep(0.02)
        with pytest.raises(EngineDownError, match=r"failed 2 times in a row[\s\S]*CUDA out of memory"):
            await engine.health()
        await engine.shutdown()

    asyncio.run(session())


PARENT = """
import asyncio, sys
from actors.engines.tensorrt_signatures import SERVE_OPTIONS
from actors.engines.trtllm_serve import TrtllmServeEngine

async def main():
    engine = TrtllmServeEngine(sys.argv[1], executable=sys.argv[2])
    await engine.start()
    print("up", flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


def test_it_ends_with_its_parent(executable: Executable, checkpoint: Path) -> None:
    command = [sys.executable, "-c", PARENT, str(checkpoint), str(executable.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None and parent.stdout.readline() == "up\n"
        parent.send_signal(signal.SIGKILL)
    assert executable.is_gone()


def test_it_is_chosen_where_the_executable_is_named(
    executable: Executable, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(select, "find_hardware", lambda: Hardware(gpus=1))
    assert isinstance(create_engine(checkpoint, executable=str(executable.path)), TrtllmServeEngine)
    monkeypatch.setenv("PATH", str(executable.path.parent), prepend=os.pathsep)
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "tensorrt_llm" else find_spec(name))
    found = {name: (usable, reason) for name, usable, reason in engine_availability()}
    assert found["tensorrt_llm"] == (True, f"{executable.path} (child process)")
    assert isinstance(create_engine(checkpoint), TrtllmServeEngine)
    with pytest.raises(NotAvailableError, match=r"executable is 'nowhere/trtllm-serve'"):
        TrtllmServeEngine(checkpoint, executable="nowhere/trtllm-serve")


def test_the_check_for_gpu_images_finds_a_missing_option(executable: Executable, tmp_path: Path) -> None:
    script = Path(__file__).parents[3] / "scripts" / "check_tensorrt_llm.py"
    help_text = " ".join(sorted(SERVE_OPTIONS - {"--pp_size"}))
    executable.path.write_text(f"#!/bin/sh\necho '{help_text}'\n")
    command = [sys.executable, str(script), "--serve", str(executable.path)]
    said = subprocess.run(command, capture_output=True, text=True, cwd=script.parents[1])
    assert said.returncode == 1, said.stderr
    assert f"WRONG: {executable.path} has no --pp_size" in said.stdout and "1 wrong" in said.stdout


def test_the_check_for_gpu_images_reports_what_a_package_lacks(tmp_path: Path) -> None:
    (tmp_path / "tensorrt_llm").mkdir()
    (tmp_path / "tensorrt_llm" / "__init__.py").write_text("class LLM:\n    def shutdown(self): ...\n")
    (tmp_path / "tensorrt_llm" / "llmapi.py").write_text(
        "class CompletionOutput:\n    token_ids: list\n    text: str\n"
    )
    root = Path(__file__).parents[3]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), str(tmp_path)])}
    command = [sys.executable, str(root / "scripts" / "check_tensorrt_llm.py")]
    said = subprocess.run(command, capture_output=True, text=True, cwd=root, env=environment)
    assert said.returncode == 1, said.stderr
    assert "WRONG: there is no RequestOutput.aborted" in said.stdout
    assert "WRONG: there is no CompletionRequest" in said.stdout
    assert "WRONG: CompletionOutput has no text_diff, which danlu reads" in said.stdout
    assert "WRONG: RequestOutput has no finished, which danlu reads" in said.stdout
    assert "no LLM.shutdown" not in said.stdout and "no token_ids" not in said.stdout
