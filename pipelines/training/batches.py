"""Token files and the order of the data become batches: what one worker feeds the network in one forward pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from pipelines.training.mixture import IntArray, Rotation
from pipelines.training.order import ConversationOrder, Piece, TextOrder
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

    def documents(self, step: int) -> list[list[int]]:
        """The documents (numbers in the store) that each of `step`'s sequences is made of, in the same order."""
        ...


class TextSamples:
    """Windows of `length` tokens, cut one after the other from documents joined end to end.

    Args:
        parts: a whole number for each group of the mixture, as `mixture.whole_parts` makes them.
    """

    def __init__(self, store: TokenStore, sequences: int, length: int, seed: int, parts: Sequence[int] = (1,)) -> None:
        self._store = store
        self._sequences = sequences
        self._length = length
        self._rotation = Rotation(parts)
        self._members = group_members(store, parts)
        self._orders = [TextOrder(store.lengths if m is None else store.lengths[m], seed) for m in self._members]

    def step(self, step: int) -> list[Sample]:
        first = step * self._sequences
        return [self.window(first + i) for i in range(self._sequences)]

    def documents(self, step: int) -> list[list[int]]:
        first = step * self._sequences
        return [[piece.document for piece in self._pieces(first + i)] for i in range(self._sequences)]

    def window(self, position: int) -> Sample:
        """Windows of a group share one token: the last target of one is the first input of the next."""
        tokens = np.concatenate([self._store.tokens(p.document, p.start, p.stop) for p in self._pieces(position)])
        return Sample(tokens[:-1], tokens[1:])

    def _pieces(self, position: int) -> Iterator[Piece]:
        group, number = self._rotation.turn(position)
        members = self._members[group]
        for piece in self._orders[group].pieces(number * self._length, self._length + 1):
            yield piece if members is None else replace(piece, document=int(members[piece.document]))


class ConversationSamples:
    """One conversation per sequence, so that none can see another. `parts` as in TextSamples."""

    def __init__(self, store: TokenStore, sequences: int, seed: int, parts: Sequence[int] = (1,)) -> None:
        self._store = store
        found = [np.arange(len(store)) if m is None else m for m in group_members(store, parts)]
        self._order = ConversationOrder(store.lengths, sequences, seed, Rotation(parts), found)

    def step(self, step: int) -> list[Sample]:
        return [self.conversation(int(number)) for number in self._order.batch(step)]

    def documents(self, step: int) -> list[list[int]]:
        return [[int(number)] for number in self._order.batch(step)]

    def conversation(self, number: int) -> Sample:
        tokens, learnt = self._store.tokens(number), self._store.learnt(number)
        return Sample(tokens[:-1], np.where(learnt[1:], tokens[1:], IGNORED))


def group_members(store: TokenStore, parts: Sequence[int]) -> list[IntArray | None]:
    """The documents of each group; None = all of them, where there is but one."""
    return [None] if len(parts) == 1 else [store.members(group) for group in range(len(parts))]


def open_samples(
    store: TokenStore, kind: Kind, sequences: int, length: int, seed: int, parts: Sequence[int] = (1,)
) -> Samples:
    """The training samples in a store."""
    if kind == "text":
        return TextSamples(store, sequences, length, seed, parts)
    return ConversationSamples(store, sequences, seed, parts)


def validation_samples(
    store: TokenStore, kind: Kind, length: int, at_most: int, parts: Sequence[int] = (1,)
) -> list[Sample]:
    """The first `at_most` validation sequences, always the same; each token at most once.

    Groups take turns by their weights, as in training; one that has no more is passed over.
    """
    found = [np.arange(len(store)) if m is None else m for m in group_members(store, parts)]
    groups = [_validation_group(store, kind, length, members, at_most) for members in found]
    turns = [
        ((number + 1) / part, group, number)
        for group, part in enumerate(parts)
        if part
        for number in range(len(groups[group]))
    ]
    return [groups[group][number] for _, group, number in sorted(turns)[:at_most]]


def _validation_group(store: TokenStore, kind: Kind, length: int, members: IntArray, at_most: int) -> list[Sample]:
    if kind == "chat":
        conversations = ConversationSamples(store, 1, seed=0)
        return [conversations.conversation(int(number)) for number in members[:at_most]]
    order = TextOrder(store.lengths[members], seed=0)
    length = min(length, order.epoch_tokens - 1)
    windows = min((order.epoch_tokens - 1) // length if length > 0 else 0, at_most)
    joined = [order.pieces(number * length, length + 1) for number in range(windows)]
    rows = [
        np.concatenate([store.tokens(int(members[p.document]), p.start, p.stop) for p in pieces]) for pieces in joined
    ]
    return [Sample(tokens[:-1], tokens[1:]) for tokens in rows]


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
