"""Token files and the order of the data become batches: what one worker feeds the network in one forward pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from pipelines.training.order import ConversationOrder, IntArray, TextOrder
from pipelines.training.sources import Kind
from pipelines.training.token_store import TokenStore

IGNORED = -100  # a target that is not learnt, as torch's cross entropy knows it


@dataclass(frozen=True)
class Sample:
    """One sequence: what the network reads and what it must say after each token (both (length,) int64)."""

    inputs: IntArray
    targets: IntArray


@dataclass(frozen=True)
class Batch:
    """Samples side by side, padded on the right.

    Attributes:
        inputs, targets: (rows, width) int64; targets are IGNORED where nothing is learnt.
        real: (rows, width) bool, False on padding. Padding needs no attention mask: a causal network never looks right.
        first_target: columns before this one have no target in any row, so their logits are not needed.
    """

    inputs: IntArray
    targets: IntArray
    real: npt.NDArray[np.bool_]
    first_target: int


class Samples(Protocol):
    """The sequences of every step."""

    def step(self, step: int) -> list[Sample]:
        """All sequences of a step (0-based), over all workers, in an order that deals them out evenly."""
        ...


class TextSamples:
    """Windows of `length` tokens, cut one after the other from documents joined end to end."""

    def __init__(self, store: TokenStore, sequences: int, length: int, seed: int) -> None:
        self._store = store
        self._sequences = sequences
        self._length = length
        self._order = TextOrder(store.lengths, seed)

    def step(self, step: int) -> list[Sample]:
        first = step * self._sequences
        return [self.window(first + i) for i in range(self._sequences)]

    def window(self, number: int) -> Sample:
        """Windows share one token: the last target of one is the first input of the next."""
        pieces = self._order.pieces(number * self._length, self._length + 1)
        tokens = np.concatenate([self._store.tokens(p.document, p.start, p.stop) for p in pieces])
        return Sample(tokens[:-1], tokens[1:])


class ConversationSamples:
    """One conversation per sequence, so that none can see another."""

    def __init__(self, store: TokenStore, sequences: int, seed: int) -> None:
        self._store = store
        self._order = ConversationOrder(store.lengths, sequences, seed)

    def step(self, step: int) -> list[Sample]:
        return [self.conversation(int(number)) for number in self._order.batch(step)]

    def conversation(self, number: int) -> Sample:
        tokens, learnt = self._store.tokens(number), self._store.learnt(number)
        return Sample(tokens[:-1], np.where(learnt[1:], tokens[1:], IGNORED))


def open_samples(store: TokenStore, kind: Kind, sequences: int, length: int, seed: int) -> Samples:
    """The training samples in a store."""
    if kind == "text":
        return TextSamples(store, sequences, length, seed)
    return ConversationSamples(store, sequences, seed)


def validation_samples(store: TokenStore, kind: Kind, length: int, at_most: int) -> list[Sample]:
    """The first `at_most` validation sequences, always the same; each token at most once."""
    if kind == "chat":
        conversations = ConversationSamples(store, 1, seed=0)
        return [conversations.conversation(number) for number in range(min(len(store), at_most))]
    length = min(length, store.token_count - 1)
    windows = (store.token_count - 1) // length if length > 0 else 0
    text = TextSamples(store, 1, length, seed=0)
    return [text.window(number) for number in range(min(windows, at_most))]


def share(samples: Sequence[Sample], rank: int, workers: int, micro: int) -> Iterator[Batch]:
    """The batches of one worker: every `workers`-th sample, so that long and short ones are dealt out evenly."""
    mine = samples[rank::workers]
    for first in range(0, len(mine), micro):
        yield collate(mine[first : first + micro])


def fill_up(samples: Sequence[Sample], multiple: int) -> list[Sample]:
    """`samples` and as many sequences with nothing to learn as make their number a multiple of `multiple`."""
    filler = Sample(samples[0].inputs[:1], np.full(1, IGNORED))
    return [*samples, *[filler] * (-len(samples) % multiple)]


def collate(samples: Sequence[Sample]) -> Batch:
    """Pad `samples` to the longest."""
    width = max(len(sample.inputs) for sample in samples)
    inputs = np.zeros((len(samples), width), np.int64)
    targets = np.full((len(samples), width), IGNORED, np.int64)
    real = np.zeros((len(samples), width), np.bool_)
    for row, sample in enumerate(samples):
        inputs[row, : len(sample.inputs)] = sample.inputs
        targets[row, : len(sample.targets)] = sample.targets
        real[row, : len(sample.inputs)] = True
    learnt = np.flatnonzero((targets != IGNORED).any(axis=0))
    return Batch(inputs, targets, real, int(learnt[0]) if len(learnt) else width - 1)


def count_targets(samples: Sequence[Sample]) -> int:
    """How many tokens of `samples` are learnt."""
    return sum(int((sample.targets != IGNORED).sum()) for sample in samples)


def count_inputs(samples: Sequence[Sample]) -> int:
    """How many tokens of `samples` are read, padding left out."""
    return sum(len(sample.inputs) for sample in samples)
