"""How applications ask a served language model: by name, over Serve's handles."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from uuid import uuid4

from actors.engines.protocol import Completion, Delta, GenerationRequest, Message, SamplingParams, Tool
from serve_apps.served_model import ServedModel


def app_name(model: str) -> str:
    """The Serve application that holds a language model."""
    return f"model-{model}"


class LanguageModel(ServedModel):
    """A served language model, for use inside a deployment or beside one.

    All methods raise
        InputError: the prompt is empty, or too long for the model.
        ModelBusyError, ModelUnavailableError: see serve_apps.served_model.
        NotAvailableError: no model of that name is served.
    """

    traced = frozenset({"complete", "stream", "complete_chat", "stream_chat"})

    def __init__(self, name: str) -> None:
        super().__init__(name, app_name(name))

    async def chat(
        self, messages: Sequence[Message], sampling: SamplingParams, tools: Sequence[Tool] = ()
    ) -> Completion:
        """The assistant's next turn."""
        return await self._call("complete_chat", _new_id(), list(messages), sampling, list(tools))

    def stream_chat(
        self, messages: Sequence[Message], sampling: SamplingParams, tools: Sequence[Tool] = ()
    ) -> AsyncGenerator[Delta, None]:
        """The assistant's next turn, piece by piece. Closing the generator stops the generation."""
        return self._stream("stream_chat", _new_id(), list(messages), sampling, list(tools))

    async def complete(self, prompt: str, sampling: SamplingParams) -> Completion:
        """What follows `prompt`, which is given to the model as it is."""
        return await self._call("complete", GenerationRequest(_new_id(), prompt, sampling))

    def stream(self, prompt: str, sampling: SamplingParams) -> AsyncGenerator[Delta, None]:
        """What follows `prompt`, piece by piece. Closing the generator stops the generation."""
        return self._stream("stream", GenerationRequest(_new_id(), prompt, sampling))

    async def render_chat(self, messages: Sequence[Message]) -> str:
        """The prompt that the model's chat template makes of a conversation."""
        return await self._call("render_chat", list(messages))

    async def describe(self) -> str:
        """Which engine runs the model, and why, in words."""
        return await self._call("describe")


def _new_id() -> str:
    return uuid4().hex
