"""A worker in a real thread: who calls what from where, and how it ends."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.engines.protocol import Delta, SamplingParams
from actors.engines.step_model import NewTokens
from actors.engines.tokenizer import ModelTokenizer
from actors.engines.worker import Abort, Event, Submit
from actors.engines.worker_thread import WorkerThread
from danlu.errors import InputError


class Counter:
    """Says one token to everyone in each step, until its limit; notes which thread called it."""

    def __init__(self, token: int, fails: dict[str, BaseException] | None = None) -> None:
        self.token = token
        self.fails = fails or {}
        self.left: dict[int, int] = {}
        self.threads: dict[str, set[threading.Thread]] = {}
        self.gate = threading.Event()  # no step ends before
        self.gate.set()

    def _called(self, method: str) -> None:
        self.threads.setdefault(method, set()).add(threading.current_thread())
        if method in self.fails:
            raise self.fails[method]

    def load(self) -> None:
        self._called("load")
        self.gate.wait(10)

    def add(self, request_id: int, prompt_ids: Sequence[int], sampling: SamplingParams) -> None:
        self._called("add")
        self.left[request_id] = sampling.max_tokens

    def cancel(self, request_id: int) -> None:
        self._called("cancel")
        self.left.pop(request_id, None)

    def step(self) -> list[NewTokens]:
        self._called("step")
        self.gate.wait(10)
        said = []
        for request_id in list(self.left):
            self.left[request_id] -= 1
            last = not self.left[request_id]
            said.append(NewTokens(request_id, [self.token], "length" if last else None))
            if last:
                del self.left[request_id]
        return said

    def running(self) -> int:
        return len(self.left)

    def kv_cache_use(self) -> float | None:
        return None

    def close(self) -> None:
        self._called("close")

    @property
    def closed(self) -> bool:
        return "close" in self.threads


class Listener:
    """What a host calls on the event loop."""

    def __init__(self) -> None:
        self.texts: dict[int, str] = {}
        self.last: dict[int, Delta] = {}
        self.after_the_end: list[int] = []
        self.broken_by: list[BaseException] = []
        self.threads: set[threading.Thread] = set()
        self.changed = asyncio.Event()

    def deliver(self, events: list[tuple[int, Event]]) -> None:
        self._called()
        for request_id, event in events:
            assert isinstance(event, Delta)
            if request_id in self.last and self.last[request_id].finish_reason:
                self.after_the_end.append(request_id)
            self.texts[request_id] = self.texts.get(request_id, "") + event.text
            self.last[request_id] = event

    def broken(self, error: BaseException) -> None:
        self._called()
        self.broken_by.append(error)

    def _called(self) -> None:
        self.threads.add(threading.current_thread())
        self.changed.set()

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not true():
                self.changed.clear()
                await self.changed.wait()

    def ended(self, *requests: int) -> bool:
        return all(request in self.last and self.last[request].finish_reason for request in requests)


@pytest.fixture(scope="module")
def tokenizer(checkpoint: Path) -> ModelTokenizer:
    return ModelTokenizer(checkpoint)


@pytest.fixture(scope="module")
def token(tokenizer: ModelTokenizer) -> int:
    """The letter a."""
    return tokenizer.encode("a")[-1]


Talk = Callable[[WorkerThread, Listener], Coroutine[Any, Any, None]]


@pytest.fixture(scope="module")
def serve(tokenizer: ModelTokenizer) -> Callable[[Counter, Talk], Listener]:
    """serve(model, talk): runs `talk(host, listener)` on a started host of the model, and stops it."""

    def run(model: Counter, talk: Talk) -> Listener:
        async def session() -> Listener:
            host, listener = WorkerThread(model, tokenizer), Listener()
            await host.start("tiny", listener.deliver, listener.broken)
            try:
                await talk(host, listener)
            finally:
                model.gate.set()
                await asyncio.wait_for(host.stop(), 10)
            return listener

        return asyncio.run(session())

    return run


def gone(thread: threading.Thread) -> bool:
    thread.join(10)
    return not thread.is_alive()


def test_the_model_has_a_thread_of_its_own_and_events_come_on_the_loop(
    serve: Callable[[Counter, Talk], Listener], token: int
) -> None:
    model = Counter(token)

    async def talk(host: WorkerThread, listener: Listener) -> None:
        host.submit(Submit(1, [token], SamplingParams(3)))
        await listener.until(lambda: listener.ended(1))
        host.submit(Submit(2, [token], SamplingParams(10**6)))
        await listener.until(lambda: 2 in listener.last)
        host.submit(Abort(2))
        await listener.until(lambda: listener.ended(2))

    listener = serve(model, talk)
    assert listener.texts[1] == "aaa"
    assert (listener.last[1].finish_reason, listener.last[2].finish_reason) == ("length", "abort")
    assert listener.threads == {threading.current_thread()}
    (own,) = set().union(*model.threads.values())
    assert set(model.threads) == {"load", "add", "step", "cancel", "close"}
    assert own.name == "engine-tiny" and own.daemon, "a model that hangs must not keep the process from its end"
    assert gone(own)


def test_the_loop_runs_while_a_step_takes_its_time(serve: Callable[[Counter, Talk], Listener], token: int) -> None:
    model = Counter(token)

    async def talk(host: WorkerThread, listener: Listener) -> None:
        model.gate.clear()
        host.submit(Submit(1, [token], SamplingParams(2)))
        async with asyncio.timeout(10):
            while "step" not in model.threads:
                await asyncio.sleep(0.001)
        assert not listener.last
        assert host.step_within_s is None
        model.gate.set()
        await listener.until(lambda: listener.ended(1))
        assert host.progress.completion_tokens == 2

    assert serve(model, talk).texts == {1: "aa"}


@given(limits=st.lists(st.integers(1, 40), max_size=8), aborted=st.sets(st.integers(0, 9)))
@settings(max_examples=25)
def test_every_request_ends_once_with_the_text_of_its_tokens(
    serve: Callable[[Counter, Talk], Listener], token: int, limits: list[int], aborted: set[int]
) -> None:
    """Aborts may come before, within and after an answer, or of requests that nobody knows."""

    async def talk(host: WorkerThread, listener: Listener) -> None:
        for number, limit in enumerate(limits):
            host.submit(Submit(number, [token], SamplingParams(limit)))
        for number in aborted:
            host.submit(Abort(number))
        await listener.until(lambda: listener.ended(*range(len(limits))))

    listener = serve(Counter(token), talk)
    assert set(listener.last) == set(range(len(limits)))
    assert not listener.after_the_end and not listener.broken_by
    for number, limit in enumerate(limits):
        last, text = listener.last[number], listener.texts[number]
        assert text == "a" * last.completion_tokens
        if last.finish_reason == "length":
            assert len(text) == limit
        else:
            assert last.finish_reason == "abort" and number in aborted and len(text) < limit


def test_a_stop_ends_requests_as_aborted_and_frees_the_model(
    serve: Callable[[Counter, Talk], Listener], token: int
) -> None:
    model = Counter(token)

    async def talk(host: WorkerThread, listener: Listener) -> None:
        host.submit(Submit(1, [token], SamplingParams(10**6)))
        await listener.until(lambda: 1 in listener.last)
        await host.stop()
        assert model.closed
        await listener.until(lambda: listener.ended(1))
        await host.stop()  # once more is no harm

    listener = serve(model, talk)
    assert listener.last[1].finish_reason == "abort"
    assert not listener.broken_by


def test_what_keeps_a_model_from_loading_is_raised_by_the_start(tokenizer: ModelTokenizer, token: int) -> None:
    model = Counter(token, {"load": InputError("the model is torn")})

    async def session() -> None:
        host, listener = WorkerThread(model, tokenizer), Listener()
        with pytest.raises(InputError, match="torn"):
            await host.start("tiny", listener.deliver, listener.broken)
        await asyncio.wait_for(host.stop(), 10)
        await asyncio.sleep(0)
        assert not listener.broken_by, "the start has told it"

    asyncio.run(session())
    assert all(gone(thread) for thread in model.threads["load"])


@pytest.mark.parametrize("method", ["add", "step", "close"])
@pytest.mark.parametrize("error", [ValueError("no memory"), SystemExit(3)])
def test_what_breaks_a_model_is_told_on_the_loop(
    serve: Callable[[Counter, Talk], Listener], token: int, method: str, error: BaseException
) -> None:
    """Whatever it raises: in a thread it would be seen by nobody."""
    model = Counter(token, {method: error})

    async def talk(host: WorkerThread, listener: Listener) -> None:
        host.submit(Submit(1, [token], SamplingParams(2)))
        if method == "close":
            await host.stop()
        await listener.until(lambda: bool(listener.broken_by))

    listener = serve(model, talk)
    assert listener.broken_by == [error]
    assert listener.threads == {threading.current_thread()}
    assert model.closed, "its memory has to be given back all the same"


def test_a_host_that_was_not_started_stops_at_once(tokenizer: ModelTokenizer, token: int) -> None:
    model = Counter(token)
    asyncio.run(asyncio.wait_for(WorkerThread(model, tokenizer).stop(), 1))
    assert not model.threads


def test_who_gives_up_waiting_for_the_start_leaves_it_to_others(tokenizer: ModelTokenizer, token: int) -> None:
    model = Counter(token)
    model.gate.clear()

    async def session() -> None:
        host, listener = WorkerThread(model, tokenizer), Listener()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(host.start("tiny", listener.deliver, listener.broken), 0.05)
        stops = [asyncio.create_task(host.stop()) for _ in range(2)]
        await asyncio.sleep(0.01)
        stops[0].cancel()
        model.gate.set()
        async with asyncio.timeout(10):
            await stops[1]
        assert model.closed and not listener.broken_by

    asyncio.run(session())


def test_a_thread_ends_with_a_loop_that_is_closed_under_it(tokenizer: ModelTokenizer, token: int) -> None:
    model = Counter(token)

    async def session() -> None:
        host, listener = WorkerThread(model, tokenizer), Listener()
        await host.start("tiny", listener.deliver, listener.broken)
        host.submit(Submit(1, [token], SamplingParams(10**9)))
        await listener.until(lambda: 1 in listener.last)

    asyncio.run(session())
    assert all(gone(thread) for thread in model.threads["step"])
    assert model.closed
