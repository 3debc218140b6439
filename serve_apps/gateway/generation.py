"""From a checked request to an answer: asks the model, turns its pieces into events, takes the figures."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, Protocol, Self, TypeVar

from actors.engines.admission import ContextLengthError
from actors.engines.protocol import Completion, Delta, SamplingParams
from serve_apps.gateway.choices import Choice
from serve_apps.gateway.errors import SERVER, ApiError, from_exception
from serve_apps.gateway.responses import DONE, Answer, event
from serve_apps.served_model import RETRY_AFTER_S

ResultT = TypeVar("ResultT")


class Meter(Protocol):
    """Where figures are reported to."""

    def first_token(self, model: str, seconds: float) -> None: ...

    def tokens(self, model: str, prompt: int, completion: int) -> None: ...


@dataclass(frozen=True)
class Ask:
    """One prompt put to the model.

    Args:
        complete: makes the whole answer.
        stream: begins to stream it.
    """

    complete: Callable[[SamplingParams], Awaitable[Completion]]
    stream: Callable[[SamplingParams], AsyncGenerator[Delta, None]]


@dataclass(frozen=True)
class Question:
    """What the model is asked.

    Args:
        asks: the prompts.
        choices: answers to each of them; those of one prompt stand together, as OpenAI numbers them.
        fixed_length: the client chose `max_tokens`; otherwise the default is shortened to what fits the context.
    """

    asks: Sequence[Ask]
    sampling: SamplingParams
    choices: int = 1
    fixed_length: bool = True

    @property
    def answers(self) -> int:
        """How many answers there will be."""
        return len(self.asks) * self.choices

    def of(self, answer: int) -> tuple[Ask, SamplingParams]:
        """The prompt of an answer, and how its tokens are drawn."""
        seed = derived_seed(self.sampling.seed, answer % self.choices)
        return self.asks[answer // self.choices], replace(self.sampling, seed=seed)


def derived_seed(seed: int | None, choice: int) -> int | None:
    """The seed of one choice of several: the first one's is the request's own, so that `n` does not change it."""
    if seed is None or choice == 0:
        return seed
    digest = hashlib.blake2b(f"{seed} {choice}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) >> 33  # engines take 31 bits


async def answer_whole(question: Question, answer: Answer, choices: Sequence[Choice], meter: Meter) -> dict[str, Any]:
    """The body of an answer that is not streamed. Raises whatever the model raised."""

    async def one(number: int) -> Completion:
        ask, sampling = question.of(number)
        return await _fitting(question, sampling, ask.complete)

    completions = await _together([one(number) for number in range(question.answers)])
    count = Count(question)
    for number, completion in enumerate(completions):
        count.note(number, completion)
    meter.tokens(answer.model, count.prompt, count.completion)
    if any(completion.finish_reason == "abort" for completion in completions):
        raise _aborted()
    whole = [choice.whole(completion) for choice, completion in zip(choices, completions, strict=True)]
    return answer.whole(whole, count.prompt, count.completion)


class Count:
    """Tokens of all answers; a prompt counts once, however many answers it gets."""

    def __init__(self, question: Question) -> None:
        self._choices = question.choices
        self._prompts: dict[int, int] = {}
        self._completions: dict[int, int] = {}

    def note(self, answer: int, part: Delta | Completion) -> None:
        """Note how far an answer has come."""
        self._prompts[answer // self._choices] = part.prompt_tokens
        self._completions[answer] = part.completion_tokens

    @property
    def prompt(self) -> int:
        return sum(self._prompts.values())

    @property
    def completion(self) -> int:
        return sum(self._completions.values())


class AnswerStream:
    """An answer that has begun: its first piece is there, so that errors before it could still become a status.

    It holds a place in the model until its events have been read to the end, or it is closed.
    """

    def __init__(
        self,
        question: Question,
        answer: Answer,
        choices: Sequence[Choice],
        first: tuple[int, Delta],
        rest: AsyncGenerator[tuple[int, Delta], None],
        meter: Meter,
    ) -> None:
        self.answer = answer
        self._choices = choices
        self._first = first
        self._rest = rest
        self._meter = meter
        self._count = Count(question)
        self._count.note(*first)
        self._counted = False

    @classmethod
    async def begin(cls, question: Question, answer: Answer, choices: Sequence[Choice], meter: Meter) -> Self:
        """Ask, and wait for the first piece. Raises whatever the model raised."""
        began = time.perf_counter()
        streams = [_stream(question, number) for number in range(question.answers)]
        rest = _numbered(streams[0]) if len(streams) == 1 else merged(streams)
        try:
            first = await anext(rest)
        except BaseException:
            await rest.aclose()
            raise
        meter.first_token(answer.model, time.perf_counter() - began)
        return cls(question, answer, choices, first, rest, meter)

    async def events(self, include_usage: bool) -> AsyncGenerator[str, None]:
        """Server-sent events. An error on the way becomes an `error` event, the last one, without `[DONE]`."""
        answer = self.answer
        try:
            async with aclosing(self._rest):
                async for number, delta in self._pieces():
                    self._count.note(number, delta)
                    if delta.finish_reason == "abort":
                        raise _aborted()
                    for choice in self._choices[number].pieces(delta):
                        yield _chunk(answer.chunk(choice), include_usage)
        except Exception as error:
            yield event(from_exception(error, answer.asked).body())
            return
        finally:
            self._report()
        if include_usage:
            yield event(answer.closing(self._count.prompt, self._count.completion))
        yield DONE

    async def aclose(self) -> None:
        """Let go of the model. What closing `events` does too, unless they were never begun."""
        await self._rest.aclose()
        self._report()

    def _report(self) -> None:
        if not self._counted:
            self._counted = True
            self._meter.tokens(self.answer.model, self._count.prompt, self._count.completion)

    async def _pieces(self) -> AsyncIterator[tuple[int, Delta]]:
        yield self._first
        async for numbered in self._rest:
            yield numbered


async def _stream(question: Question, number: int) -> AsyncGenerator[Delta, None]:
    """One answer, from the first length that fits."""
    ask, wanted = question.of(number)

    async def first_piece(sampling: SamplingParams) -> tuple[Delta, AsyncGenerator[Delta, None]]:
        deltas = ask.stream(sampling)
        try:
            return await anext(deltas), deltas
        except BaseException:
            await deltas.aclose()
            raise

    first, rest = await _fitting(question, wanted, first_piece)
    async with aclosing(rest):
        yield first
        async for delta in rest:
            yield delta


async def _numbered(deltas: AsyncGenerator[Delta, None]) -> AsyncGenerator[tuple[int, Delta], None]:
    async with aclosing(deltas):
        async for delta in deltas:
            yield 0, delta


async def merged(streams: Sequence[AsyncGenerator[Delta, None]]) -> AsyncGenerator[tuple[int, Delta], None]:
    """All deltas with the number of their stream, as they come. The first error ends them all; so does closing."""
    pieces: asyncio.Queue[tuple[int, Delta | BaseException | None]] = asyncio.Queue(maxsize=len(streams))

    async def pump(number: int, stream: AsyncGenerator[Delta, None]) -> None:
        try:
            async with aclosing(stream):
                async for delta in stream:
                    await pieces.put((number, delta))
            await pieces.put((number, None))
        except Exception as error:
            await pieces.put((number, error))

    tasks = [asyncio.create_task(pump(number, stream)) for number, stream in enumerate(streams)]
    try:
        ended = 0
        while ended < len(streams):
            number, piece = await pieces.get()
            if isinstance(piece, BaseException):
                raise piece
            if piece is None:
                ended += 1
            else:
                yield number, piece
    finally:
        await _cancelled(tasks)


async def _together(calls: Sequence[Awaitable[ResultT]]) -> list[ResultT]:
    """All results; the first error cancels the other calls."""
    if len(calls) == 1:
        return [await calls[0]]
    tasks = [asyncio.ensure_future(call) for call in calls]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        await _cancelled(tasks)


async def _cancelled(tasks: Sequence[asyncio.Future[Any]]) -> None:
    """Cancel what still runs, and wait until it has let go of the model.

    Raises:
        CancelledError: the caller was cancelled meanwhile; all tasks have ended nevertheless.
    """
    for task in tasks:
        task.cancel()
    left: asyncio.CancelledError | None = None
    while running := [task for task in tasks if not task.done()]:
        try:
            await asyncio.wait(running)
        except asyncio.CancelledError as error:
            left = error
    for task in tasks:
        if not task.cancelled():
            task.exception()  # seen; the first one has been raised already
    if left is not None:
        raise left


async def _fitting(
    question: Question, sampling: SamplingParams, ask: Callable[[SamplingParams], Awaitable[ResultT]]
) -> ResultT:
    """Ask; where the client left `max_tokens` open and the default does not fit the context, for what does."""
    try:
        return await ask(sampling)
    except ContextLengthError as error:
        if question.fixed_length or error.room < 1:
            raise
        return await ask(replace(sampling, max_tokens=error.room))


def _chunk(body: dict[str, Any], include_usage: bool) -> str:
    # When usage is asked for, every chunk has the key, and only the closing one a value.
    return event({**body, "usage": None} if include_usage else body)


def _aborted() -> ApiError:
    again = {"Retry-After": str(RETRY_AFTER_S)}
    status = HTTPStatus.SERVICE_UNAVAILABLE
    return ApiError(status, "the generation was aborted", kind=SERVER, code="aborted", headers=again)
