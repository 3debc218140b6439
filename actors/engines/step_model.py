"""What an engine of our own thread needs from a library: a batch of sequences that advances token by token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from actors.engines.protocol import SamplingParams


@dataclass(frozen=True)
class Score:
    """A token's log probability, and (token id, log probability) of the likeliest tokens at its place."""

    logprob: float
    top: Sequence[tuple[int, float]] = ()


@dataclass(frozen=True)
class NewTokens:
    """What one step gave one request.

    `token_ids` counts the end-of-sequence token that closes an answer with finish_reason `stop`.
    `error` ends a request that the library could not serve. `scores` is empty, or holds one for each token.
    """

    request_id: int
    token_ids: Sequence[int]
    finish_reason: Literal["stop", "length"] | None = None
    error: str = ""
    scores: Sequence[Score] = ()


class StepModel(Protocol):
    """A loaded model. Every method is called from one and the same thread."""

    def load(self) -> None:
        """Load the weights; everything heavy happens here."""
        ...

    def add(self, request_id: int, prompt_ids: Sequence[int], sampling: SamplingParams) -> None:
        """Take a request in; it joins the batch as soon as there is room.

        `sampling.seed` is always given; `sampling.stop` is the caller's affair. A request that the library
        refuses comes back from `step` with an error.
        """
        ...

    def cancel(self, request_id: int) -> None:
        """Free a request's memory now. Unknown ids are ignored."""
        ...

    def step(self) -> list[NewTokens]:
        """Advance the batch by one step; requests that got nothing are left out."""
        ...

    def running(self) -> int:
        """How many sequences the last step advanced."""
        ...

    def kv_cache_use(self) -> float | None:
        """The share of the KV cache that is taken, 0 to 1; None where the library does not say."""
        ...

    def close(self) -> None:
        """Free the model."""
        ...


class AdapterStepModel(StepModel, Protocol):
    """A StepModel with adapters, each request with one of them or none."""

    def add(
        self, request_id: int, prompt_ids: Sequence[int], sampling: SamplingParams, adapter: str | None = None
    ) -> None: ...


class GrammarStepModel(StepModel, Protocol):
    """A StepModel that follows grammars."""

    def prepare_grammar(self, grammar: str) -> None:
        """Compile a grammar, from any thread. Raises InputError when it is none."""
        ...
