"""What every inference engine offers, whichever library runs the model."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

FinishReason = Literal["stop", "length", "abort"]
Message = Mapping[str, str]  # {"role": "system" | "user" | "assistant", "content": ...}


@dataclass(frozen=True)
class SamplingParams:
    """How to draw tokens. `temperature` 0 is greedy; `top_k` 0 keeps all; `seed` None draws freshly."""

    max_tokens: int = 256
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    ignore_eos: bool = False


@dataclass(frozen=True)
class GenerationRequest:
    """One prompt (plain text, chat template already applied) to continue."""

    id: str
    prompt: str
    sampling: SamplingParams = field(default_factory=SamplingParams)


@dataclass(frozen=True)
class Delta:
    """A piece of the answer. The last one of a request, and only it, carries `finish_reason`.

    `completion_tokens` counts all tokens so far, this piece included.
    """

    text: str
    prompt_tokens: int
    completion_tokens: int
    finish_reason: FinishReason | None = None


@dataclass(frozen=True)
class Completion:
    """A whole answer."""

    text: str
    prompt_tokens: int
    completion_tokens: int
    finish_reason: FinishReason


@dataclass(frozen=True)
class EngineStats:
    """What the engine is doing now: sequences in the batch, requests waiting, tokens produced since the start."""

    running: int
    waiting: int
    prompt_tokens: int
    completion_tokens: int


class Engine(Protocol):
    """A loaded model that serves many requests at once from one event loop."""

    name: str
    context_length: int

    async def start(self) -> None:
        """Load the model; returns when the first request can be served."""
        ...

    def render_chat(self, messages: Sequence[Message]) -> str:
        """The prompt that the model's chat template makes of a conversation, ready for the assistant's turn."""
        ...

    def generate(self, request: GenerationRequest) -> AsyncIterator[Delta]:
        """Stream the answer. Closing the iterator early frees the sequence.

        Raises (at the first step):
            InputError: the prompt is empty, or with `max_tokens` it does not fit `context_length`.
        """
        ...

    async def abort(self, request_id: str) -> None:
        """End a request now; its stream ends with finish_reason `abort`. Unknown ids are ignored."""
        ...

    def stats(self) -> EngineStats: ...

    async def health(self) -> None:
        """Raise RunError when the engine can no longer serve."""
        ...

    async def shutdown(self) -> None: ...
