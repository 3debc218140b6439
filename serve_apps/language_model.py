"""How applications ask a served language model: by name, over Serve's handles."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from contextvars import Context
from typing import Any
from uuid import uuid4

from actors.engines.protocol import Completion, Delta, GenerationRequest, Message, SamplingParams, Tool
from serve_apps.request_record import RequestRecord
from serve_apps.served_model import ModelUnavailableError, ServedModel, name_in_app

# A model that answered so lately is not asked again whether it is awake.
_AWAKE_S = 5.0


def app_name(model: str) -> str:
    """The Serve application that holds a language model."""
    return f"model-{name_in_app(model)}"


def canary_app_name(model: str) -> str:
    """The Serve application that holds the second version of a language model."""
    return f"{app_name(model)}@canary"  # which is no model's name


class LanguageModel(ServedModel):
    """A served language model, for use inside a deployment or beside one.

    Args:
        name: what clients call it.
        app: the Serve application that runs it; by default the one of its name.
        version: which version of the model that is.
        adapter: the adapter to answer with, of those that the application has loaded.
        wake_within_s: seconds that a request waits for a replica when the model is asleep; None waits without limit.

    All methods raise
        InputError: the prompt is empty, or too long for the model.
        ModelBusyError, ModelUnavailableError: see serve_apps.served_model; the latter also where it sleeps on.
        NotAvailableError: no model of that name is served.
    """

    traced = frozenset({"stream", "stream_chat"})

    def __init__(
        self,
        name: str,
        *,
        app: str | None = None,
        version: str = "stable",
        adapter: str | None = None,
        wake_within_s: float | None = None,
    ) -> None:
        super().__init__(name, app or app_name(name))
        self.version = version
        self._adapter = adapter
        self._wake_within_s = wake_within_s
        self._awake_until = float("-inf")
        self._waking: asyncio.Task[None] | None = None

    async def chat(
        self, messages: Sequence[Message], sampling: SamplingParams, tools: Sequence[Tool] = ()
    ) -> Completion:
        """The assistant's next turn."""
        return await self._whole("stream_chat", _new_id(), list(messages), sampling, self._adapter, list(tools))

    def stream_chat(
        self, messages: Sequence[Message], sampling: SamplingParams, tools: Sequence[Tool] = ()
    ) -> AsyncGenerator[Delta, None]:
        """The assistant's next turn, piece by piece. Closing the generator stops the generation."""
        return self._stream("stream_chat", _new_id(), list(messages), sampling, self._adapter, list(tools))

    async def complete(self, prompt: str, sampling: SamplingParams) -> Completion:
        """What follows `prompt`, which is given to the model as it is."""
        return await self._whole("stream", GenerationRequest(_new_id(), prompt, sampling, self._adapter))

    def stream(self, prompt: str, sampling: SamplingParams) -> AsyncGenerator[Delta, None]:
        """What follows `prompt`, piece by piece. Closing the generator stops the generation."""
        return self._stream("stream", GenerationRequest(_new_id(), prompt, sampling, self._adapter))

    async def render_chat(self, messages: Sequence[Message]) -> str:
        """The prompt that the model's chat template makes of a conversation."""
        return await self._call("render_chat", list(messages))

    async def describe(self) -> str:
        """Which engine runs the model, and why, in words."""
        return await self._call("describe")

    async def _call(self, method: str, *arguments: object) -> Any:
        await self._wake()
        return await super()._call(method, *arguments)

    async def _stream(self, method: str, *arguments: object) -> AsyncGenerator[Any, None]:
        await self._wake()
        async with aclosing(super()._stream(method, *arguments)) as parts:
            async for part in parts:
                yield part

    async def _pieces(
        self, method: str, arguments: Sequence[object], record: RequestRecord | None
    ) -> AsyncGenerator[Any, None]:
        async with aclosing(super()._pieces(method, arguments, record)) as parts:
            async for part in parts:
                self._awake_until = time.monotonic() + _AWAKE_S
                yield part

    async def _whole(self, method: str, *arguments: object) -> Completion:
        await self._wake()
        return whole(await self._collect(method, *arguments))

    async def _wake(self) -> None:
        """Wait until a replica answers; its start is what the request waits for, not an answer of any length.

        All requests that come meanwhile wait for the same call.
        """
        if self._wake_within_s is None or time.monotonic() < self._awake_until:
            return
        if self._waking is None or self._waking.done():
            # Outside of any request's record: the one that began it may leave, or have a deadline of its own.
            self._waking = asyncio.create_task(self._look(), context=Context())
        waking = self._waking
        try:
            async with asyncio.timeout(self._wake_within_s) as limit:
                await asyncio.shield(waking)
        except TimeoutError:
            if not limit.expired():
                raise
            rule = f"it was asleep and did not start within {self._wake_within_s:g} s"
            fix = "try again shortly; replicas.wake_within_s is how long to wait"
            raise ModelUnavailableError(f"model {self.name!r} is not available", rule=rule, fix=fix) from None

    async def _look(self) -> None:
        await super()._call("describe")
        self._awake_until = time.monotonic() + _AWAKE_S


def whole(pieces: Sequence[Delta]) -> Completion:
    """The answer that the pieces make up."""
    last = pieces[-1] if pieces else None
    if last is None or last.finish_reason is None:
        raise AssertionError("the engine ended its answer without a finish_reason")
    text = "".join(piece.text for piece in pieces)
    logprobs = tuple(logprob for piece in pieces for logprob in piece.logprobs)
    return Completion(text, last.prompt_tokens, last.completion_tokens, last.finish_reason, logprobs)


def _new_id() -> str:
    return uuid4().hex
