"""A model in its process: started, broken and killed for real."""

from __future__ import annotations

import asyncio
import importlib
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

from actors.engines import worker_process
from actors.engines.openvino_engine import OpenVinoEngine
from actors.engines.protocol import EngineDownError, GenerationRequest, SamplingParams
from actors.engines.step_engine import StepEngine
from actors.engines.tokenizer import ModelTokenizer
from actors.engines.worker_process import WorkerProcess
from danlu.errors import InputError, RunError


def request(name: str = "a", prompt: str = "你好", **sampling: Any) -> GenerationRequest:
    return GenerationRequest(
        name, prompt, SamplingParams(**{"max_tokens": 200, "ignore_eos": not sampling.get("grammar"), **sampling})
    )


def model_processes(parent: int | None = None) -> list[psutil.Process]:
    return [p for p in psutil.Process(parent).children(True) if "actors.engines.model_process" in p.cmdline()]


def session(checkpoint: Path, talk: Callable[[OpenVinoEngine], Any], **settings: Any) -> Any:
    async def run() -> Any:
        engine = OpenVinoEngine(checkpoint, threads=1, **settings)
        await engine.start()
        try:
            return await asyncio.wait_for(talk(engine), 60)
        finally:
            await engine.shutdown()

    return asyncio.run(run())


def test_the_event_loop_runs_while_the_model_stands_still(checkpoint: Path) -> None:
    """openvino-genai lets no other thread run while it steps: in one process the loop stood still for whole steps."""

    async def talk(engine: OpenVinoEngine) -> int:
        stream = engine.generate(request())
        await anext(stream)
        (process,) = model_processes()
        process.suspend()
        with pytest.raises(InputError, match="context"):
            await anext(engine.generate(request("b", prompt="天" * 1000)))
        assert engine.render_chat([{"role": "user", "content": "你好"}])
        waiting = [asyncio.create_task(anext(engine.generate(request(str(i), max_tokens=1)))) for i in range(20)]
        await asyncio.sleep(0.05)
        process.resume()
        await asyncio.gather(*waiting)
        return [delta.completion_tokens async for delta in stream][-1]

    assert session(checkpoint, talk) == 200


def test_a_killed_process_ends_its_requests_with_the_reason(checkpoint: Path) -> None:
    async def talk(engine: OpenVinoEngine) -> None:
        stream = engine.generate(request())
        await anext(stream)
        (process,) = model_processes()
        process.kill()
        with pytest.raises(RunError, match=r"was killed.*memory"):
            async for _ in stream:
                pass
        with pytest.raises(RunError, match="killed"):
            await engine.health()
        with pytest.raises(RunError, match="killed"):
            await anext(engine.generate(request("b")))

    session(checkpoint, talk)
    assert not model_processes()


def test_a_process_that_is_killed_compiles_no_grammar(checkpoint: Path) -> None:
    async def talk(engine: OpenVinoEngine) -> None:
        with pytest.raises(InputError, match="can't be compiled"):
            await anext(engine.generate(request(grammar="root ::= nowhere")))
        (process,) = model_processes()
        process.suspend()
        asked = asyncio.create_task(anext(engine.generate(request(grammar='root ::= "a"'))))
        await asyncio.sleep(0.1)
        process.kill()
        with pytest.raises(RunError, match="killed"):
            await asked

    session(checkpoint, talk)


def test_a_process_that_is_gone_compiles_nothing(checkpoint: Path) -> None:
    """A grammar that came after its end was waited for until a minute was over."""

    async def talk(engine: OpenVinoEngine) -> None:
        (process,) = model_processes()
        process.kill()
        with pytest.raises(RunError, match="killed"):
            while True:
                await engine.health()
                await asyncio.sleep(0.01)
        with pytest.raises(RunError, match="has ended"):
            await asyncio.wait_for(engine._process.prepare('root ::= "a"'), 5)

    session(checkpoint, talk)


def test_a_start_that_is_given_up_leaves_no_process(checkpoint: Path) -> None:
    async def run() -> None:
        engine = OpenVinoEngine(checkpoint, threads=1)
        starting = asyncio.create_task(engine.start())
        while not model_processes():
            await asyncio.sleep(0.01)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        await engine.shutdown()
        assert not model_processes()
        with pytest.raises(RunError, match="shut down"):
            await engine.health()

    asyncio.run(run())


STUCK = """
import os, signal, time
from actors.engines.step_model import NewTokens

class Stuck:
    \"\"\"Says one token and then never comes back, or dies once it is to stop.\"\"\"

    def __init__(self, dies, token):
        self.dies, self.token, self.said = dies, token, False

    def load(self): ...

    def add(self, request_id, prompt_ids, sampling): ...

    def cancel(self, request_id): ...

    def step(self):
        if self.said:
            time.sleep(0.5 if self.dies else 600)
            os.kill(os.getpid(), signal.SIGKILL)
        self.said = True
        return [NewTokens(0, [self.token])]

    def running(self):
        return 1

    def kv_cache_use(self):
        return None

    def close(self): ...
"""


@pytest.fixture
def stuck(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], StepEngine]:
    """Makes an engine over Stuck."""
    (tmp_path / "stuck_model.py").write_text(STUCK)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    tokenizer = ModelTokenizer(checkpoint)

    def make(dies: bool) -> StepEngine:
        model = importlib.import_module("stuck_model").Stuck(dies, tokenizer.encode("a")[-1])
        return StepEngine("stuck", WorkerProcess(model, checkpoint), tokenizer, 100)

    return make


@pytest.mark.parametrize("dies", [True, False])
def test_a_shutdown_ends_requests_of_a_process_that_does_not(
    dies: bool, stuck: Callable[[bool], StepEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    if not dies:
        monkeypatch.setattr(worker_process, "_END_WITHIN_S", 0.5)

    async def run() -> None:
        engine = stuck(dies)
        await engine.start()
        stream = engine.generate(request(max_tokens=50))
        assert (await anext(stream)).text
        asked = asyncio.ensure_future(anext(stream))
        await engine.shutdown()
        with pytest.raises(RunError, match="shut down"):
            await asyncio.wait_for(asked, 10)
        assert not model_processes()

    asyncio.run(run())


def test_a_model_that_hangs_is_noticed_and_its_process_ended(
    stuck: Callable[[bool], StepEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_process, "_END_WITHIN_S", 0.5)

    async def run() -> None:
        engine = stuck(False)
        await engine.start()
        stream = engine.generate(request(max_tokens=50))
        assert (await anext(stream)).text
        asked = asyncio.ensure_future(anext(stream))
        await engine.health()
        monkeypatch.setattr(worker_process, "_STEP_WITHIN_S", 0.2)
        await asyncio.sleep(0.3)
        with pytest.raises(EngineDownError, match="hangs"):
            await engine.health()
        with pytest.raises(EngineDownError, match="hangs"):
            await asyncio.wait_for(asked, 10)
        assert not model_processes()

    asyncio.run(run())


def test_an_engine_without_work_may_be_silent(
    stuck: Callable[[bool], StepEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_process, "_STEP_WITHIN_S", 0.0)

    async def run() -> None:
        engine = stuck(True)
        await engine.start()
        await engine.health()
        await engine.shutdown()

    asyncio.run(run())


PROGRAM = """
import asyncio, sys
from actors.engines.openvino_engine import OpenVinoEngine
from actors.engines.protocol import EngineDownError, GenerationRequest, SamplingParams

async def main():
    engine = OpenVinoEngine(sys.argv[1], threads=1)
    await engine.start()
    async for delta in engine.generate(GenerationRequest("a", "a", SamplingParams(max_tokens=200, ignore_eos=True))):
        print("text", flush=True)

asyncio.run(main())
"""


def test_the_process_ends_with_an_engine_that_is_killed(checkpoint: Path) -> None:
    program = [sys.executable, "-c", PROGRAM, str(checkpoint)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None and parent.stdout.readline() == "text\n"
        (process,) = model_processes(parent.pid)
        os.kill(parent.pid, signal.SIGKILL)
    gone_by = time.monotonic() + 10
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE and time.monotonic() < gone_by:
        time.sleep(0.05)
    assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
