from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from actors.engines import openvino_engine
from actors.engines.model_files import read_config
from actors.engines.openvino_engine import OpenVinoEngine, OpenVinoModel, OpenVinoSettings
from actors.engines.openvino_folder import openvino_folder
from actors.engines.protocol import GenerationRequest, SamplingParams
from actors.engines.tokenizer import ModelTokenizer
from danlu.errors import InputError, ResourceError


class Refuses:
    """A pipeline that takes nothing."""

    def add_request(self, *_: object) -> None:
        raise RuntimeError("no")

    def step(self) -> None: ...


def test_a_refused_request_that_is_aborted_is_not_told_of_again(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = OpenVinoModel(checkpoint, read_config(checkpoint), OpenVinoSettings())
    monkeypatch.setattr(model, "_pipeline", Refuses())
    for number in (1, 2):
        model.add(number, [1], SamplingParams(max_tokens=1, temperature=0.0))
    model.cancel(1)
    assert [new.request_id for new in model.step()] == [2]


def test_a_refused_request_leaves_nothing_behind(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = OpenVinoModel(checkpoint, read_config(checkpoint), OpenVinoSettings())
    monkeypatch.setattr(model, "_pipeline", Refuses())
    model.add(1, [1], SamplingParams(max_tokens=1, temperature=0.0, logprobs=0))
    assert [new.error for new in model.step()] == ["no"]
    assert not model._with_logprobs and not model._handles and not model._waiting


def request(name: str, **sampling: Any) -> GenerationRequest:
    values = {"max_tokens": 150, "temperature": 0.0, "ignore_eos": True, **sampling}
    return GenerationRequest(name, f"{name} 云杉银行", SamplingParams(**values))


@pytest.fixture
def compiling(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[str], Any]], OpenVinoEngine]:
    """compiling(prepare): an engine whose process has `prepare` in place of its compiler."""

    def make(prepare: Callable[[str], Any]) -> OpenVinoEngine:
        engine = OpenVinoEngine(checkpoint)
        monkeypatch.setattr(engine, "_down", "")
        monkeypatch.setattr(engine._process, "prepare", prepare)
        return engine

    return make


def test_a_grammar_behind_one_that_is_stuck_is_too_much_and_not_wrong(
    compiling: Callable[..., OpenVinoEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openvino_engine, "_COMPILE_S", 0.1)
    compiled = list[str]()

    async def session() -> None:
        release = asyncio.Event()

        async def prepare(grammar: str) -> None:
            if grammar == "stuck":
                await release.wait()
            compiled.append(grammar)

        engine = compiling(prepare)
        with pytest.raises(InputError, match=r"the grammar: it was not compiled within 0\.1 s"):
            await anext(engine.generate(request("a", ignore_eos=False, grammar="stuck")))
        for _ in range(2):
            with pytest.raises(ResourceError, match="the grammar has to wait: those before it are still being"):
                await anext(engine.generate(request("b", ignore_eos=False, grammar="second")))
        assert not compiled
        release.set()
        await engine._prepare("third")

    asyncio.run(asyncio.wait_for(session(), 20))
    assert compiled == ["stuck", "third"]


def test_waiting_for_other_grammars_is_no_time_of_compiling(
    compiling: Callable[..., OpenVinoEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openvino_engine, "_COMPILE_S", 2.0)

    async def prepare(grammar: str) -> None:
        await asyncio.sleep(1.3)

    async def session() -> None:
        engine = compiling(prepare)
        await asyncio.gather(engine._prepare("a"), engine._prepare("b"))

    asyncio.run(session())


@pytest.mark.parametrize("ticks", range(4))
def test_who_leaves_as_a_grammar_gets_its_turn_is_not_served(
    ticks: int, compiling: Callable[..., OpenVinoEngine]
) -> None:
    async def session() -> None:
        release = asyncio.Event()

        async def prepare(grammar: str) -> None:
            await release.wait()

        engine = compiling(prepare)
        first, second = (asyncio.create_task(engine._prepare(name)) for name in "ab")
        await asyncio.sleep(0.01)
        release.set()
        while not first.done():
            await asyncio.sleep(0)
        for _ in range(ticks):
            await asyncio.sleep(0)
        if not second.done():
            second.cancel()
            with pytest.raises(asyncio.CancelledError):
                await second
        await asyncio.wait_for(engine._prepare("c"), 5)

    asyncio.run(session())


def test_a_grammar_that_is_none_keeps_no_other_from_being_compiled(
    compiling: Callable[..., OpenVinoEngine],
) -> None:
    async def prepare(grammar: str) -> None:
        if grammar == "none":
            raise InputError("the grammar", rule="it is none")

    async def session() -> None:
        engine = compiling(prepare)
        with pytest.raises(InputError, match="it is none"):
            await anext(engine.generate(request("a", ignore_eos=False, grammar="none")))
        await engine._prepare("good")

    asyncio.run(session())


def test_a_small_kv_cache_bounds_the_context(checkpoint: Path) -> None:
    limit = 5 * 32 * 2 * 2 * 2 * (16 * 4) / 2**30
    assert OpenVinoEngine(checkpoint, precision="fp32", kv_cache_gib=limit).context_length == 5 * 32


def test_sequences_that_were_put_off_for_lack_of_cache_come_out_right(
    checkpoint: Path, ask: Callable[..., Any]
) -> None:
    """Eight blocks hold one and a half of these four sequences: they displace each other and are read again."""
    limit = 8 * 32 * 2 * 2 * 2 * (16 * 4) / 2**30
    tight = OpenVinoEngine(checkpoint, precision="fp32", threads=1, kv_cache_gib=limit)
    roomy = OpenVinoEngine(checkpoint, precision="fp32", threads=1)
    asked = [request(name) for name in "abcd"]
    assert texts(ask(tight, *asked)) == texts(ask(roomy, *asked))


def test_more_requests_than_sequences_wait(checkpoint: Path) -> None:
    async def session() -> None:
        engine = OpenVinoEngine(checkpoint, threads=1, sequences=2)
        await engine.start()
        tasks = [asyncio.create_task(collect(engine, request(name))) for name in "abcde"]
        while engine.stats().completion_tokens < 10:
            await asyncio.sleep(0.001)
        stats = engine.stats()
        assert (stats.running, stats.waiting) == (2, 3)
        assert all(deltas[-1].completion_tokens == 150 for deltas in await asyncio.gather(*tasks))
        await engine.shutdown()

    asyncio.run(session())


def test_the_share_of_the_kv_cache_that_is_taken(checkpoint: Path) -> None:
    async def session() -> tuple[float | None, float | None]:
        engine = OpenVinoEngine(checkpoint, threads=1, sequences=2, prefix_cache=False)
        await engine.start()
        asked = asyncio.create_task(collect(engine, request("a")))
        while engine.stats().completion_tokens < 3:
            await asyncio.sleep(0.001)
        during = engine.stats().kv_cache_use
        await asked
        while engine.stats().running:
            await asyncio.sleep(0.001)
        after = engine.stats().kv_cache_use
        await engine.shutdown()
        return during, after

    during, after = asyncio.run(session())
    assert during is not None and 0 < during < 1 and after == 0


def test_aborts_and_shutdown_leave_no_sequence_in_the_library(checkpoint: Path, capfd: Any) -> None:
    """openvino-genai writes to stderr about every block that is not given back."""

    async def session() -> None:
        engine = OpenVinoEngine(checkpoint, threads=1, prefix_cache=False)
        await engine.start()
        for name in "ab":
            stream = engine.generate(request(name))
            await anext(stream)
            await stream.aclose()
        left = asyncio.create_task(collect(engine, request("left", max_tokens=200)))
        while engine.stats().running == 0 and not left.done():
            await asyncio.sleep(0.001)
        await engine.shutdown()
        assert (await left)[-1].finish_reason in ("abort", "length")

    asyncio.run(session())
    assert "leaked" not in "".join(capfd.readouterr())


def test_a_shared_beginning_gives_the_same_answer_with_and_without_the_prefix_cache(
    checkpoint: Path, ask: Callable[..., Any]
) -> None:
    asked = [
        GenerationRequest(str(i), "云杉银行的借记卡可以在手机上挂失，" * 3 + str(i), SamplingParams(30, temperature=0))
        for i in range(3)
    ]
    engines = [OpenVinoEngine(checkpoint, precision="fp32", threads=1, prefix_cache=cached) for cached in (True, False)]
    with_cache, without = (
        texts(
            ask(
                engine,
                *asked,
            )
        )
        for engine in engines
    )
    assert with_cache == without


SENTENCE = "云杉银行的借记卡可以在手机上挂失，" * 3


def test_guessing_ahead_changes_no_answer(checkpoint: Path, ask: Callable[..., Any]) -> None:
    """Greedy and drawn, alone and together, ended by a stop string or by the number of tokens."""
    kinds = [{"temperature": 0.0}, {"temperature": 0.0, "stop": ("卡",)}, {"temperature": 0.8, "top_p": 0.9, "seed": 3}]
    asked = [
        GenerationRequest(str(i), SENTENCE, SamplingParams(max_tokens=80, ignore_eos=True, **kind))
        for i, kind in enumerate(kinds)
    ]

    def answers(lookup: int, asked: list[GenerationRequest]) -> list[Any]:
        engine = OpenVinoEngine(checkpoint, precision="fp32", threads=1, prompt_lookup=lookup)
        return [(d[-1].completion_tokens, d[-1].finish_reason, texts([d])) for d in ask(engine, *asked)]

    assert answers(4, asked) == answers(0, asked)
    assert answers(4, asked[:1]) == answers(0, asked[:1])


def test_guessing_ahead_takes_fewer_steps(checkpoint: Path) -> None:
    prompt = ModelTokenizer(checkpoint).encode(SENTENCE)
    steps = {}
    for lookup in (0, 4):
        config, settings = read_config(checkpoint), OpenVinoSettings(threads=1, prompt_lookup=lookup)
        model = OpenVinoModel(checkpoint, config, settings)
        model.load()
        model.add(1, prompt, SamplingParams(max_tokens=80, temperature=0.0, seed=1, ignore_eos=True))
        steps[lookup] = 0
        while model.running():
            model.step()
            steps[lookup] += 1
        model.close()
    assert steps[4] < steps[0]


def test_a_step_computes_as_many_tokens_as_it_may(checkpoint: Path) -> None:
    steps = {}
    for step_tokens in (32, 256):
        config, settings = read_config(checkpoint), OpenVinoSettings(threads=1, step_tokens=step_tokens)
        model = OpenVinoModel(checkpoint, config, settings)
        model.load()
        model.add(1, list(range(10, 210)), SamplingParams(max_tokens=3, seed=1, ignore_eos=True))
        steps[step_tokens] = 0
        while model.running():
            model.step()
            steps[step_tokens] += 1
        model.close()
    assert steps == {32: 7 + 2, 256: 1 + 2}


def test_a_request_that_guesses_ahead_can_be_aborted(checkpoint: Path) -> None:
    async def session() -> None:
        engine = OpenVinoEngine(checkpoint, threads=1, prompt_lookup=4)
        await engine.start()
        stream = engine.generate(request("a", max_tokens=200))
        await anext(stream)
        await stream.aclose()
        deltas = await collect(engine, request("b", max_tokens=20))
        assert deltas[-1].completion_tokens == 20
        await engine.shutdown()

    asyncio.run(session())


PROGRAM = """
import asyncio, sys
from actors.engines.openvino_folder import openvino_folder
from actors.engines.protocol import GenerationRequest, SamplingParams
from actors.engines.select import create_engine

async def main():
    engine = create_engine(sys.argv[1], threads=1)
    await engine.start()
    request = GenerationRequest("a", engine.render_chat([{"role": "user", "content": "hi"}]), SamplingParams(9))
    deltas = [delta async for delta in engine.generate(request)]
    await engine.shutdown()
    print(deltas[-1].finish_reason, "torch" in sys.modules)

asyncio.run(main())
"""


def test_a_replica_needs_no_torch(checkpoint: Path) -> None:
    """Importing torch would cost each replica two seconds and 190 MB."""
    program = [sys.executable, "-c", PROGRAM, str(openvino_folder(checkpoint))]
    result = subprocess.run(program, capture_output=True, text=True, timeout=60)
    assert result.stdout.split() in (["length", "False"], ["stop", "False"]), result.stderr


def texts(answers: list[list[Any]]) -> list[str]:
    return ["".join(delta.text for delta in deltas) for deltas in answers]


async def collect(engine: Any, asked: GenerationRequest) -> list[Any]:
    return [delta async for delta in engine.generate(asked)]


def test_a_request_that_the_library_refuses_leaves_the_others_alone(
    checkpoint: Path,
) -> None:
    """`top_p` 7 is refused by openvino-genai as the request enters the batch, after it waited."""
    model = OpenVinoModel(checkpoint, read_config(checkpoint), OpenVinoSettings(threads=1, sequences=1))
    model.load()
    model.add(0, [5, 6], SamplingParams(max_tokens=2, temperature=0, seed=0, ignore_eos=True))
    model.add(1, [5, 6], SamplingParams(max_tokens=2, temperature=1, top_p=7.0, seed=0))
    model.add(2, [5, 6], SamplingParams(max_tokens=1, temperature=0, seed=0, ignore_eos=True))
    news = [new for _ in range(4) for new in model.step()]
    model.close()
    assert [(new.request_id, len(new.token_ids), bool(new.error)) for new in news] == [
        (0, 1, False),
        (0, 1, False),
        (1, 0, True),
        (2, 1, False),
    ]
