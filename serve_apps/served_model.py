"""A model that Serve runs, seen from an application: calls over Serve's handles, and what can go wrong with them."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from contextvars import Context
from dataclasses import replace
from functools import cached_property, partial
from typing import Any, ClassVar, TypeVar

from danlu.errors import DanluError, InputError, NotAvailableError, ResourceError, RunError
from serve_apps.request_record import RequestRecord, current_record

# What a client that was turned away is told to wait.
RETRY_AFTER_S = 1
# A request whose replica dies before its first token is asked again, so often in all. It may be the request that kills.
ATTEMPTS = 3
_FIRST_PAUSE_S = 0.1

AnswerT = TypeVar("AnswerT")


class ModelBusyError(ResourceError):
    """All replicas are at work and the queue is full; worth another try after `retry_after_s`."""

    retry_after_s = RETRY_AFTER_S


class ModelUnavailableError(RunError):
    """The model has no living replica, or its replica died before the answer was whole."""

    retry_after_s = RETRY_AFTER_S


class DeadlineError(RunError):
    """The answer was not whole when its deadline came."""


def name_in_app(model: str) -> str:
    """A model's name as part of its Serve application's: Serve names log files by that, which a `/` would break.

    Two models keep two names, as none has a `~` in its own.
    """
    return model.replace("/", "~")


class ServedModel:
    """Calls the ingress deployment of a Serve application.

    A deployment *returns* the errors that a user can mend, as Serve logs a traceback for every error that is raised;
    here they are raised. Calls heed the deadline of the current request record and note in it what they see. Where a
    replica dies before the first piece of the answer, another one is asked.
    """

    # Methods of the deployment that take `trace` (serve_apps.tracing.TraceContext).
    traced: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, name: str, app: str) -> None:
        self.name = name
        self._app = app
        self._handles: dict[tuple[str, bool], Any] = {}

    @cached_property
    def _handle(self) -> Any:
        from ray import serve
        from ray.serve.exceptions import RayServeException

        try:
            return serve.get_app_handle(self._app)
        except RayServeException:
            raise NotAvailableError(f"model {self.name!r} is not served") from None

    def _method(self, name: str, stream: bool) -> Any:
        """The handle of a method. Making one takes as long as a quarter of all that the gateway does for a request."""
        if (name, stream) not in self._handles:
            self._handles[name, stream] = self._handle.options(stream=stream, method_name=name)
        return self._handles[name, stream]

    def _ask(self, method: str, arguments: Sequence[object], record: RequestRecord | None, *, stream: bool) -> Any:
        """Serve's response, of which nothing may have come yet.

        Asked outside of the request that Serve knows: it takes all calls of one request for one while they wait for a
        place, and of a request's choices all but the first would wait for ever. Only the name of the request goes with
        it, by which a replica's logs are told apart; it need not be unique.
        """
        ask = partial(self._method(method, stream).remote, *arguments, **self._trace(method, record))
        return Context().run(_named, _request_name(), ask)

    async def _call(self, method: str, *arguments: object) -> Any:
        """One answer. Cancelling the caller cancels the call."""
        record = current_record()
        for attempt in range(1, ATTEMPTS + 1):
            response = self._ask(method, arguments, record, stream=False)
            try:
                answer = _raised(await self._in_time(response, record))
            except (asyncio.CancelledError, DeadlineError):
                _leave(response)
                raise
            except Exception as error:
                await self._before_another(attempt, error, record)
            else:
                _note(record, answer, None)
                return answer
        raise AssertionError("the last attempt returns or raises")

    async def _stream(self, method: str, *arguments: object) -> AsyncGenerator[Any, None]:
        """An answer in pieces. Closing the generator cancels the call."""
        record = current_record()
        for attempt in range(1, ATTEMPTS + 1):
            begun = False
            try:
                async with aclosing(self._pieces(method, arguments, record)) as pieces:
                    async for piece in pieces:
                        begun = True
                        yield piece
                return
            except Exception as error:
                await self._before_another(ATTEMPTS if begun else attempt, error, record)

    async def _collect(self, method: str, *arguments: object) -> list[Any]:
        """All pieces of an answer.

        By pieces, as the record then knows what an answer took that is never finished. None of it is given out before
        its end, so another replica may begin anew where one dies.
        """
        record = current_record()
        for attempt in range(1, ATTEMPTS + 1):
            pieces: list[Any] = []
            try:
                async with aclosing(self._pieces(method, arguments, record)) as parts:
                    async for piece in parts:
                        pieces.append(piece)
                return pieces
            except Exception as error:
                await self._before_another(attempt, error, record)
                if record is not None and pieces:
                    record.take_back(pieces[0].prompt_tokens, pieces[-1].completion_tokens)
        raise AssertionError("the last attempt returns or raises")

    async def _pieces(
        self, method: str, arguments: Sequence[object], record: RequestRecord | None
    ) -> AsyncGenerator[Any, None]:
        """One attempt. It is read to its very end: Serve's transport leaks what it had to send to who leaves before."""
        response = self._ask(method, arguments, record, stream=True)
        parts = aiter(response)
        tokens: int | None = None
        whole = ended = False
        try:
            while not ended:
                try:
                    part = _raised(await self._in_time(anext(parts, None), record))
                except Exception:
                    if whole:  # whatever becomes of its replica now
                        return
                    raise
                if part is None:
                    ended = True
                else:
                    tokens = _note(record, part, tokens)
                    whole = getattr(part, "finish_reason", None) is not None
                    yield part
        finally:
            if not ended:
                _leave(response)

    async def _in_time(self, step: Awaitable[AnswerT], record: RequestRecord | None) -> AnswerT:
        """Wait for a step, until the request's deadline at most."""
        try:
            async with asyncio.timeout(None if record is None else record.left_s()) as limit:
                return await step
        except TimeoutError:
            if not limit.expired():
                raise
        assert record is not None and record.deadline is not None
        allowed_s = record.deadline - record.began
        record.error = "deadline"
        raise DeadlineError(f"model {self.name!r} did not answer in time", rule=f"it had {allowed_s:.3g} s")

    async def _before_another(self, attempt: int, error: Exception, record: RequestRecord | None) -> None:
        """Wait a little before the next attempt; raise where there is to be none."""
        translated = self._translated(error)
        if attempt == ATTEMPTS or not isinstance(translated, ModelUnavailableError):
            if record is not None and not record.error:
                record.error = _what_went_wrong(translated)
            raise translated from (None if translated is error else error)
        if record is not None:
            record.retries += 1
        pause_s = _FIRST_PAUSE_S * 2 ** (attempt - 1) * random.uniform(0.5, 1.5)
        await self._in_time(asyncio.sleep(pause_s), record)

    def _trace(self, method: str, record: RequestRecord | None) -> dict[str, Any]:
        """The argument by which a replica learns of the trace; none where there is no trace."""
        if record is None or record.trace is None or method not in self.traced:
            return {}
        return {"trace": replace(record.trace, asked_ns=time.time_ns())}

    def _translated(self, error: Exception) -> Exception:
        from ray.exceptions import RayActorError
        from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError

        if isinstance(error, BackPressureError):
            return ModelBusyError(f"model {self.name!r} is busy", rule="its queue is full", fix="try again shortly")
        if isinstance(error, RayActorError | DeploymentUnavailableError):
            return ModelUnavailableError(f"model {self.name!r} is not available", rule="its replica is gone")
        return error


def _request_name() -> str:
    """What Serve calls the request that is being answered; empty outside of one."""
    from ray.serve.context import _get_serve_request_context  # there is no public way

    return _get_serve_request_context().request_id


def _named(name: str, ask: Callable[[], Any]) -> Any:
    from ray.serve.context import _set_request_context

    if name:
        _set_request_context(request_id=name)
    return ask()


def _leave(response: Any) -> None:
    """Cancel a call of which no more is wanted.

    Serve's response does not know of its place yet where it is cancelled the moment it gets one. Nobody would ever read
    such a call, so it would never end, and count as one under way for ever.
    """
    with suppress(Exception):  # a call that has failed already raises why, which is told where it is awaited
        response.cancel()
    place = getattr(response, "_replica_result_future", None)  # there is no public way
    if place is not None and place.done() and not place.cancelled() and place.exception() is None:
        place.result().cancel()


def _what_went_wrong(error: Exception) -> str:
    """In a word, for metrics and the audit log; empty where the client is to blame, or asked to wait."""
    if isinstance(error, InputError | ModelBusyError | NotAvailableError):
        return ""
    return "replica_died" if isinstance(error, ModelUnavailableError) else "failed"


def _note(record: RequestRecord | None, part: Any, tokens_before: int | None) -> int | None:
    """Put a piece of an answer into the record; returns the tokens so far. Anything but an answer is left out."""
    tokens: int | None = getattr(part, "completion_tokens", None)
    if record is None or tokens is None:
        return tokens
    if tokens_before is None:
        record.begin_answer(part.prompt_tokens)
    record.piece(part.text, tokens - (tokens_before or 0), part.finish_reason)
    return tokens


def _raised(answer: AnswerT | DanluError) -> AnswerT:
    if isinstance(answer, DanluError):
        raise answer
    return answer
