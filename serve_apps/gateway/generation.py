"""From a checked request to an answer: asks the model, turns its pieces into events, takes the figures."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, Protocol, Self, TypeVar

from actors.engines.protocol import Completion, Delta, SamplingParams
from danlu.errors import InputError
from serve_apps.gateway.errors import SERVER, ApiError, from_exception
from serve_apps.gateway.responses import DONE, Answer, event

ResultT = TypeVar("ResultT")


class Meter(Protocol):
    """Where figures are reported to."""

    def first_token(self, model: str, seconds: float) -> None: ...

    def tokens(self, model: str, prompt: int, completion: int) -> None: ...


@dataclass(frozen=True)
class Question:
    """What the model is asked.

    Args:
        complete: makes the whole answer.
        stream: begins to stream it.
        fixed_length: the client chose `max_tokens`; otherwise the default is halved until it fits the context.
    """

    complete: Callable[[SamplingParams], Awaitable[Completion]]
    stream: Callable[[SamplingParams], AsyncGenerator[Delta, None]]
    sampling: SamplingParams
    fixed_length: bool


async def answer_whole(question: Question, answer: Answer, meter: Meter) -> dict[str, Any]:
    """The body of an answer that is not streamed. Raises whatever the model raised."""
    completion = await _fitting(question, question.complete)
    meter.tokens(answer.model, completion.prompt_tokens, completion.completion_tokens)
    if completion.finish_reason == "abort":
        raise _aborted()
    return answer.whole(completion)


class AnswerStream:
    """An answer that has begun: its first piece is there, so that errors before it could still become a status."""

    def __init__(self, answer: Answer, first: Delta, rest: AsyncGenerator[Delta, None], meter: Meter) -> None:
        self.answer = answer
        self._last = first
        self._rest = rest
        self._meter = meter

    @classmethod
    async def begin(cls, question: Question, answer: Answer, meter: Meter) -> Self:
        """Ask, and wait for the first piece. Raises whatever the model raised."""
        began = time.perf_counter()

        async def first_piece(sampling: SamplingParams) -> tuple[Delta, AsyncGenerator[Delta, None]]:
            deltas = question.stream(sampling)
            return await anext(deltas), deltas

        first, rest = await _fitting(question, first_piece)
        meter.first_token(answer.model, time.perf_counter() - began)
        return cls(answer, first, rest, meter)

    async def events(self, include_usage: bool) -> AsyncGenerator[str, None]:
        """Server-sent events. An error on the way becomes an `error` event, the last one, without `[DONE]`."""
        answer = self.answer
        try:
            async with aclosing(self._rest):
                if answer.kind == "chat":
                    yield _chunk(answer.opening(), include_usage)
                while self._last.finish_reason is None:
                    yield _chunk(answer.chunk(self._last), include_usage)
                    self._last = await anext(self._rest)
            if self._last.finish_reason == "abort":
                raise _aborted()
        except Exception as error:
            yield event(from_exception(error).body())
            return
        finally:
            self._meter.tokens(answer.model, self._last.prompt_tokens, self._last.completion_tokens)
        yield _chunk(answer.chunk(self._last), include_usage)
        if include_usage:
            yield event(answer.closing(self._last))
        yield DONE


async def _fitting(question: Question, ask: Callable[[SamplingParams], Awaitable[ResultT]]) -> ResultT:
    """Ask; where the client left `max_tokens` open, halve the default until prompt and answer fit the context."""
    sampling = question.sampling
    while True:
        try:
            return await ask(sampling)
        except InputError:
            if question.fixed_length or sampling.max_tokens == 1:
                raise
        sampling = replace(sampling, max_tokens=sampling.max_tokens // 2)


def _chunk(body: dict[str, Any], include_usage: bool) -> str:
    # When usage is asked for, every chunk has the key, and only the closing one a value.
    return event({**body, "usage": None} if include_usage else body)


def _aborted() -> ApiError:
    return ApiError(HTTPStatus.SERVICE_UNAVAILABLE, "the generation was aborted", kind=SERVER, code="aborted")
