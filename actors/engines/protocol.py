"""What every inference engine offers, whichever library runs the model."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from danlu.errors import RunError


class EngineDownError(RunError):
    """The engine can't serve, and will not without a new start."""


FinishReason = Literal["stop", "length", "abort"]
# {"role": "system" | "user" | "assistant" | "tool", "content": ...}, and "tool_calls" or "tool_call_id" with tools.
Message = Mapping[str, Any]
Tool = Mapping[str, Any]  # {"type": "function", "function": {"name", "description", "parameters"}}


# Below it, logits divided by the temperature may leave float32, and only the likeliest token has a chance anyway.
LEAST_TEMPERATURE = 1e-5
LEAST_TOP_P = 1e-9  # keeps one token as any smaller share does, and is no zero as float32


@dataclass(frozen=True)
class SamplingParams:
    """How to draw tokens. `temperature` 0 is greedy; `top_k` 0 keeps all; `seed` None draws freshly.

    A temperature below LEAST_TEMPERATURE becomes 0, a `top_p` between 0 and LEAST_TOP_P becomes that.
    What stands after `ignore_eos` is refused by engines that do not offer it (`admission.check_offered`).

    Args:
        grammar: EBNF that the answer has to follow (as xgrammar and llama.cpp write it, start `root`); empty for none.
        logprobs: None for none, else how many of the likeliest tokens to report beside each token that was drawn.
        repetition_penalty: divides positive and multiplies negative logits of tokens in prompt or answer (CTRL, eq. 1).
        presence_penalty, frequency_penalty: taken off the logits of tokens in the answer, once or as often as they are.
        min_p: least probability of a token, as a share of the likeliest one's.
    """

    max_tokens: int = 256
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    ignore_eos: bool = False
    grammar: str = ""
    logprobs: int | None = None
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    min_p: float = 0.0

    def __post_init__(self) -> None:
        if 0 < self.temperature < LEAST_TEMPERATURE:
            object.__setattr__(self, "temperature", 0.0)
        if 0 < self.top_p < LEAST_TOP_P:
            object.__setattr__(self, "top_p", LEAST_TOP_P)


@dataclass(frozen=True)
class GenerationRequest:
    """One prompt (plain text, chat template already applied) to continue, with one of the engine's adapters or none."""

    id: str
    prompt: str
    sampling: SamplingParams = field(default_factory=SamplingParams)
    adapter: str | None = None


@dataclass(frozen=True)
class TokenLogprob:
    """A token of the answer with its log probability, and the likeliest tokens at its place with theirs.

    Log probabilities are the model's own: before temperature, penalties, filters and grammar. A token's bytes may be a
    part of a character.
    """

    token: bytes
    logprob: float
    top: tuple[tuple[bytes, float], ...] = ()


@dataclass(frozen=True)
class Delta:
    """A piece of the answer. The last one of a request, and only it, carries `finish_reason`.

    `completion_tokens` counts all tokens so far, this piece included. `logprobs` holds the tokens since the piece
    before; their text may come later (half a character, what may be a stop string). The end token is left out.
    """

    text: str
    prompt_tokens: int
    completion_tokens: int
    finish_reason: FinishReason | None = None
    logprobs: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True)
class Completion:
    """A whole answer."""

    text: str
    prompt_tokens: int
    completion_tokens: int
    finish_reason: FinishReason
    logprobs: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True)
class EngineStats:
    """What the engine is doing now: sequences in the batch, requests waiting, tokens produced since the start.

    Args:
        kv_cache_use: share of the KV cache that is taken, 0 to 1; None where the engine can't say.
    """

    running: int
    waiting: int
    prompt_tokens: int
    completion_tokens: int
    kv_cache_use: float | None = None


class Engine(Protocol):
    """A loaded model that serves many requests at once from one event loop."""

    name: str
    context_length: int

    async def start(self) -> None:
        """Load the model; returns when the first request can be served."""
        ...

    def render_chat(self, messages: Sequence[Message], tools: Sequence[Tool] = ()) -> str:
        """The prompt that the model's chat template makes of a conversation, ready for the assistant's turn."""
        ...

    def generate(self, request: GenerationRequest) -> AsyncIterator[Delta]:
        """Stream the answer. Closing the iterator early frees the sequence.

        Raises (at the first step):
            InputError: the prompt is empty.
            ContextLengthError: with `max_tokens` it does not fit `context_length`.
            NotAvailableError: the sampling parameters ask for what this engine does not offer.
        """
        ...

    async def abort(self, request_id: str) -> None:
        """End a request now; its stream ends with finish_reason `abort`. Unknown ids are ignored."""
        ...

    def stats(self) -> EngineStats: ...

    async def health(self) -> None:
        """Raise RunError when the engine can't serve: EngineDownError when it won't again."""
        ...

    async def shutdown(self) -> None: ...
