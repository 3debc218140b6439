"""The thread and its asyncio side, with a scripted model in place of a network."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import pytest

from actors.engines import step_engine
from actors.engines.protocol import Delta, EngineDownError, GenerationRequest, SamplingParams, TokenLogprob
from actors.engines.step_engine import StepEngine
from actors.engines.step_model import NewTokens
from actors.engines.tokenizer import ModelTokenizer
from actors.engines.worker import Broken, Command, Deliver, Progress
from actors.engines.worker_thread import WorkerThread
from danlu.errors import InputError, RunError

CONTEXT = 128


class ScriptedModel:
    """Says the same tokens to everyone, one per step."""

    def __init__(self, script: Sequence[int], step_s: float = 0.0) -> None:
        self.script = list(script)
        self.step_s = step_s
        self.positions: dict[int, int] = {}
        self.limits: dict[int, int] = {}
        self.cancelled: list[int] = []
        self.threads: set[int] = set()
        self.broken: Exception | None = None
        self.closed = False

    def load(self) -> None:
        if self.broken is not None:
            raise self.broken

    def add(self, request_id: int, prompt_ids: Sequence[int], sampling: SamplingParams) -> None:
        assert sampling.seed is not None
        self.positions[request_id] = 0
        self.limits[request_id] = sampling.max_tokens
        if sampling.top_k == 13:
            self.limits[request_id] = -1

    def cancel(self, request_id: int) -> None:
        self.cancelled.append(request_id)
        self.positions.pop(request_id, None)

    def step(self) -> list[NewTokens]:
        self.threads.add(threading.get_ident())
        if self.broken is not None:
            raise self.broken
        time.sleep(self.step_s)
        return [self._advance(request_id) for request_id in list(self.positions)]

    def _advance(self, request_id: int) -> NewTokens:
        at = self.positions[request_id]
        if self.limits[request_id] < 0:
            del self.positions[request_id]
            return NewTokens(request_id, [], error="no thirteen")
        self.positions[request_id] = at + 1
        ended = at + 1 == self.limits[request_id]
        if ended:
            del self.positions[request_id]
        return NewTokens(request_id, [self.script[at % len(self.script)]], "length" if ended else None)

    def running(self) -> int:
        return len(self.positions)

    def kv_cache_use(self) -> float | None:
        return len(self.positions) / 10

    def close(self) -> None:
        self.closed = True


@pytest.fixture(scope="module")
def tokenizer(checkpoint: Path) -> ModelTokenizer:
    return ModelTokenizer(checkpoint)


@pytest.fixture
def serve(tokenizer: ModelTokenizer) -> Callable[..., Any]:
    """serve(model, talk): runs `talk(engine)` on a started engine over the model."""

    def run(model: ScriptedModel, talk: Callable[[StepEngine], Coroutine[Any, Any, Any]]) -> Any:
        async def session() -> Any:
            engine = StepEngine("scripted", WorkerThread(model, tokenizer), tokenizer, CONTEXT)
            await engine.start()
            try:
                return await asyncio.wait_for(talk(engine), 20)
            finally:
                await engine.shutdown()

        return asyncio.run(session())

    return run


def request(name: str = "a", **sampling: Any) -> GenerationRequest:
    return GenerationRequest(name, "你好", SamplingParams(**{"max_tokens": 20, **sampling}))


def test_text_before_an_error_is_handed_out() -> None:
    async def session() -> list[str]:
        mailbox: asyncio.Queue[Any] = asyncio.Queue()
        for event in (Delta("a", 1, 1), Delta("b", 1, 2), RunError("gone")):
            mailbox.put_nowait(event)
        texts = []
        with pytest.raises(RunError, match="gone"):
            async for delta in step_engine._read(mailbox):
                texts.append(delta.text)
        return texts

    assert asyncio.run(session()) == ["ab"]


def test_logprobs_without_text_are_handed_out_before_an_error() -> None:
    scored = (TokenLogprob(b"a", -1.0),)

    async def session() -> list[Delta]:
        mailbox: asyncio.Queue[Any] = asyncio.Queue()
        for event in (Delta("", 1, 1, logprobs=scored), RunError("gone")):
            mailbox.put_nowait(event)
        deltas = []
        with pytest.raises(RunError, match="gone"):
            async for delta in step_engine._read(mailbox):
                deltas.append(delta)
        return deltas

    assert [delta.logprobs for delta in asyncio.run(session())] == [scored]


async def collect(engine: StepEngine, asked: GenerationRequest) -> list[Delta]:
    return [delta async for delta in engine.generate(asked)]


async def until_tokens(engine: StepEngine, count: int) -> None:
    """Wait until the model has produced that many tokens."""
    while engine.stats().completion_tokens < count:
        await asyncio.sleep(0.001)


def words(tokenizer: ModelTokenizer, text: str = "云杉银行的借记卡可以在手机上挂失，") -> list[int]:
    return tokenizer.encode(text)


def test_only_the_last_delta_has_a_finish_reason(serve: Any, tokenizer: ModelTokenizer) -> None:
    script = words(tokenizer)
    deltas = serve(ScriptedModel(script, step_s=0.005), lambda engine: collect(engine, request(max_tokens=40)))
    assert [delta.finish_reason for delta in deltas[:-1]] == [None] * (len(deltas) - 1)
    assert deltas[-1].finish_reason == "length"
    assert deltas[-1].completion_tokens == 40
    assert "".join(delta.text for delta in deltas) == tokenizer.decode([*script, *script, *script, *script][:40])
    assert all(delta.prompt_tokens == len(tokenizer.encode("你好")) for delta in deltas)


def test_the_first_text_comes_at_once_and_the_rest_in_bundles(serve: Any, tokenizer: ModelTokenizer) -> None:
    model = ScriptedModel(tokenizer.encode("a"), step_s=0.002)
    deltas = serve(model, lambda engine: collect(engine, request(max_tokens=100)))
    assert deltas[0].completion_tokens == 1
    assert len(deltas) < 60, "100 tokens of 2 ms are at most 15 bundles of 15 ms, and some more on a busy machine"


def test_the_event_loop_runs_while_the_model_computes(serve: Any, tokenizer: ModelTokenizer) -> None:
    async def talk(engine: StepEngine) -> int:
        asked = asyncio.create_task(collect(engine, request(max_tokens=10)))
        ticks = 0
        while not asked.done():
            await asyncio.sleep(0.001)
            ticks += 1
        return ticks

    assert serve(ScriptedModel(tokenizer.encode("a"), step_s=0.05), talk) > 50


def test_a_slow_reader_gets_fewer_and_larger_pieces(serve: Any, tokenizer: ModelTokenizer) -> None:
    async def talk(engine: StepEngine) -> list[Delta]:
        deltas = []
        async for delta in engine.generate(request(max_tokens=30)):
            deltas.append(delta)
            await asyncio.sleep(0.5)
        return deltas

    deltas = serve(ScriptedModel(tokenizer.encode("a"), step_s=0.004), talk)
    assert len(deltas) <= 3
    assert "".join(delta.text for delta in deltas) == "a" * 30


def test_a_stop_string_ends_the_sequence_in_the_model(serve: Any, tokenizer: ModelTokenizer) -> None:
    model = ScriptedModel(words(tokenizer))
    deltas = serve(model, lambda engine: collect(engine, request(max_tokens=60, stop=("可以在",))))
    assert "".join(delta.text for delta in deltas) == "云杉银行的借记卡"
    assert deltas[-1].finish_reason == "stop"
    assert model.cancelled
    assert not model.positions


def test_a_stop_string_in_the_very_first_token_gives_an_empty_answer(serve: Any, tokenizer: ModelTokenizer) -> None:
    deltas = serve(ScriptedModel(tokenizer.encode("a")), lambda engine: collect(engine, request(stop=("a",))))
    assert deltas == [Delta("", deltas[0].prompt_tokens, 1, "stop")]


def test_abort_ends_the_stream_and_frees_the_sequence(serve: Any, tokenizer: ModelTokenizer) -> None:
    model = ScriptedModel(tokenizer.encode("a"), step_s=0.01)

    async def talk(engine: StepEngine) -> list[Delta]:
        asked = asyncio.create_task(collect(engine, request(max_tokens=100)))
        await until_tokens(engine, 3)
        await engine.abort("a")
        await engine.abort("somebody else")
        return await asked

    deltas = serve(model, talk)
    assert deltas[-1].finish_reason == "abort"
    assert 1 <= deltas[-1].completion_tokens < 100
    assert "".join(delta.text for delta in deltas) == "a" * deltas[-1].completion_tokens
    assert not model.positions


def test_closing_the_stream_early_frees_the_sequence(serve: Any, tokenizer: ModelTokenizer) -> None:
    model = ScriptedModel(tokenizer.encode("a"), step_s=0.01)

    async def talk(engine: StepEngine) -> None:
        stream = engine.generate(request(max_tokens=100))
        await anext(stream)
        await stream.aclose()
        while model.positions:
            await asyncio.sleep(0.005)
        assert engine.stats().running == engine.stats().waiting == 0

    serve(model, talk)
    assert len(model.cancelled) == 1


def test_an_id_can_be_used_again_at_once(serve: Any, tokenizer: ModelTokenizer) -> None:
    """The abort of the first request must not end the second."""

    async def talk(engine: StepEngine) -> list[Delta]:
        stream = engine.generate(request(max_tokens=100))
        await anext(stream)
        await stream.aclose()
        return await collect(engine, request(max_tokens=5))

    deltas = serve(ScriptedModel(tokenizer.encode("a"), step_s=0.01), talk)
    assert deltas[-1].finish_reason == "length"
    assert "".join(delta.text for delta in deltas) == "aaaaa"


def test_an_id_under_way_is_refused(serve: Any, tokenizer: ModelTokenizer) -> None:
    async def talk(engine: StepEngine) -> None:
        stream = engine.generate(request(max_tokens=100))
        await anext(stream)
        with pytest.raises(InputError, match="'a'"):
            await collect(engine, request())
        await stream.aclose()

    serve(ScriptedModel(tokenizer.encode("a"), step_s=0.01), talk)


def test_a_request_that_the_library_refuses_leaves_the_others_alone(serve: Any, tokenizer: ModelTokenizer) -> None:
    async def talk(engine: StepEngine) -> list[Any]:
        good, bad = collect(engine, request("good", max_tokens=5)), collect(engine, request("bad", top_k=13))
        return await asyncio.gather(good, bad, return_exceptions=True)

    good, bad = serve(ScriptedModel(tokenizer.encode("a")), talk)
    assert good[-1].finish_reason == "length"
    assert isinstance(bad, RunError)
    assert "no thirteen" in str(bad)


def test_prompts_are_checked_at_the_first_step(serve: Any, tokenizer: ModelTokenizer) -> None:
    async def talk(engine: StepEngine) -> None:
        for prompt, rule in (("", "empty"), ("好龘" * 500, "context holds 128")):
            with pytest.raises(InputError, match=rule):
                await collect(engine, GenerationRequest("a", prompt, SamplingParams(max_tokens=5)))
        with pytest.raises(InputError, match="has room for"):
            await collect(engine, request(max_tokens=CONTEXT))

    serve(ScriptedModel(tokenizer.encode("a")), talk)


def test_a_broken_model_fails_every_stream_and_the_health_check(serve: Any, tokenizer: ModelTokenizer) -> None:
    model = ScriptedModel(tokenizer.encode("a"), step_s=0.01)

    async def talk(engine: StepEngine) -> list[Any]:
        asked = [asyncio.create_task(collect(engine, request(name, max_tokens=100))) for name in "ab"]
        await until_tokens(engine, 3)
        await engine.health()
        model.broken = ValueError("out of luck")
        answers = await asyncio.gather(*asked, return_exceptions=True)
        with pytest.raises(RunError, match="out of luck"):
            await engine.health()
        with pytest.raises(RunError, match="out of luck"):
            await collect(engine, request())
        return answers

    assert all(isinstance(answer, RunError) and "out of luck" in str(answer) for answer in serve(model, talk))
    assert model.closed


def test_a_model_that_does_not_load_says_so_at_the_start(tokenizer: ModelTokenizer) -> None:
    model = ScriptedModel([1])
    model.broken = InputError("the model is torn")

    async def session() -> None:
        engine = StepEngine("scripted", WorkerThread(model, tokenizer), tokenizer, CONTEXT)
        with pytest.raises(InputError, match="torn"):
            await engine.start()
        with pytest.raises(RunError, match="not been started"):
            await engine.health()
        await engine.shutdown()

    asyncio.run(session())


def test_shutdown_ends_open_streams_as_aborted(tokenizer: ModelTokenizer) -> None:
    model = ScriptedModel(tokenizer.encode("a"), step_s=0.01)

    async def session() -> list[Delta]:
        engine = StepEngine("scripted", WorkerThread(model, tokenizer), tokenizer, CONTEXT)
        await engine.start()
        asked = asyncio.create_task(collect(engine, request(max_tokens=100)))
        await until_tokens(engine, 3)
        await engine.shutdown()
        await engine.shutdown()
        with pytest.raises(RunError, match="shut down"):
            await engine.health()
        return await asked

    assert asyncio.run(session())[-1].finish_reason == "abort"
    assert model.closed
    assert len(model.threads) == 1


def test_statistics_count_tokens_and_requests(serve: Any, tokenizer: ModelTokenizer) -> None:
    async def talk(engine: StepEngine) -> None:
        asked = [asyncio.create_task(collect(engine, request(name, max_tokens=20))) for name in "abc"]
        await until_tokens(engine, 6)
        assert engine.stats().running == 3
        await asyncio.gather(*asked)
        stats = engine.stats()
        assert (stats.running, stats.waiting, stats.kv_cache_use) == (0, 0, 0.0)
        assert stats.completion_tokens == 60
        assert stats.prompt_tokens == 3 * len(tokenizer.encode("你好"))

    serve(ScriptedModel(tokenizer.encode("a"), step_s=0.01), talk)


def test_a_client_that_leaves_frees_its_share_of_the_cache(serve: Any, tokenizer: ModelTokenizer) -> None:
    async def talk(engine: StepEngine) -> None:
        stream = engine.generate(request(max_tokens=100))
        await anext(stream)
        assert engine.stats().kv_cache_use == 0.1
        await stream.aclose()
        for _ in range(200):
            if not engine.stats().kv_cache_use:
                break
            await asyncio.sleep(0.01)
        assert (engine.stats().running, engine.stats().kv_cache_use) == (0, 0.0)

    serve(ScriptedModel(tokenizer.encode("a"), step_s=0.01), talk)


def test_a_start_that_is_given_up_can_be_shut_down(tokenizer: ModelTokenizer) -> None:
    class Slow(ScriptedModel):
        def load(self) -> None:
            time.sleep(0.3)
            super().load()

    async def session() -> None:
        engine = StepEngine("scripted", WorkerThread(Slow([1]), tokenizer), tokenizer, CONTEXT)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(engine.start(), 0.05)
        await asyncio.wait_for(engine.shutdown(), 5)
        with pytest.raises(RunError, match="shut down"):
            await engine.health()

    asyncio.run(session())


def test_a_start_that_never_began_can_be_shut_down(tokenizer: ModelTokenizer) -> None:
    async def session() -> None:
        engine = StepEngine("scripted", WorkerThread(ScriptedModel([1]), tokenizer), tokenizer, CONTEXT)
        started, _ = await asyncio.wait_for(
            asyncio.gather(engine.start(), engine.shutdown(), return_exceptions=True), 5
        )
        assert isinstance(started, asyncio.CancelledError)

    asyncio.run(session())


def test_every_start_waits_for_the_model_and_tells_why_it_did_not_load(tokenizer: ModelTokenizer) -> None:
    model = ScriptedModel([1])
    model.broken = InputError("the model is torn")

    async def session() -> None:
        engine = StepEngine("scripted", WorkerThread(model, tokenizer), tokenizer, CONTEXT)
        outcomes = await asyncio.gather(engine.start(), engine.start(), return_exceptions=True)
        assert all("torn" in str(outcome) for outcome in outcomes)
        with pytest.raises(InputError, match="torn"):
            await engine.start()
        await engine.shutdown()

    asyncio.run(session())


def test_a_request_can_be_aborted_before_it_reaches_the_model(tokenizer: ModelTokenizer) -> None:
    class Compiling(StepEngine):
        offered = frozenset({"grammar"})

        async def _prepare(self, grammar: str) -> None:
            await compiled.wait()

    compiled = asyncio.Event()

    async def session() -> list[Delta]:
        engine = Compiling("scripted", WorkerThread(ScriptedModel([1]), tokenizer), tokenizer, CONTEXT)
        await engine.start()
        asked = asyncio.create_task(collect(engine, request(grammar='root ::= "a"')))
        await asyncio.sleep(0)
        await engine.abort("a")
        compiled.set()
        deltas = await asked
        await engine.shutdown()
        return deltas

    assert [(delta.text, delta.finish_reason) for delta in asyncio.run(session())] == [("", "abort")]


class Silent:
    """A host whose model takes requests and is never heard of again."""

    progress = Progress()
    step_within_s = 0.0

    async def start(self, name: str, deliver: Deliver, broken: Broken) -> None: ...

    def submit(self, command: Command) -> None: ...

    async def stop(self) -> None: ...


def test_a_model_that_hangs_is_noticed_after_its_clients_have_left(tokenizer: ModelTokenizer) -> None:
    async def session() -> None:
        engine = StepEngine("silent", Silent(), tokenizer, CONTEXT)
        await engine.start()
        request = GenerationRequest("1", "a", SamplingParams(max_tokens=5))
        asking = asyncio.ensure_future(anext(engine.generate(request)))
        while not engine._working and not asking.done():
            await asyncio.sleep(0.001)
        asking.cancel()
        await asyncio.wait([asking])
        await asyncio.sleep(0.001)
        with pytest.raises(EngineDownError, match="hangs"):
            await engine.health()

    asyncio.run(session())
