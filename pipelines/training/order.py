"""Which data belongs to which step: a pure function of the seed, so a resumed run needs to remember only its step.

Documents and conversations are visited in a new random order each epoch, and epochs follow each other without a gap:
a batch may hold the end of one epoch and the start of the next, so nothing is left over, padded or seen twice. With a
mixture each group has epochs of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pipelines.training.mixture import IntArray, Rotation

# Conversations of this many batches are sorted by length together: the larger, the less padding, the less random.
POOL_BATCHES = 8


def epoch_order(seed: int, epoch: int, count: int) -> IntArray:
    """The order in which `count` items are visited in an epoch."""
    return np.random.default_rng([seed, epoch]).permutation(count)


@dataclass(frozen=True)
class Piece:
    """Tokens `start` to `stop` (exclusive) of one document."""

    document: int
    start: int
    stop: int


class TextOrder:
    """Documents joined end to end into one endless stream of tokens.

    Args:
        lengths: (documents,) tokens of each document, all at least 1.
    """

    def __init__(self, lengths: IntArray, seed: int) -> None:
        self._lengths = lengths
        self._seed = seed
        self.epoch_tokens = int(lengths.sum())
        self._epoch = -1
        self._order: IntArray = np.empty(0, np.int64)
        self._ends: IntArray = np.empty(0, np.int64)

    def pieces(self, start: int, count: int) -> Iterator[Piece]:
        """The `count` tokens of the stream from position `start`, as pieces of documents in their order."""
        position, stop = start, start + count
        while position < stop:
            epoch, inside = divmod(position, self.epoch_tokens)
            self._enter(epoch)
            place = int(np.searchsorted(self._ends, inside, side="right"))
            document = int(self._order[place])
            left = int(self._ends[place]) - inside
            taken = min(left, stop - position)
            first = int(self._lengths[document]) - left
            yield Piece(document, first, first + taken)
            position += taken

    def _enter(self, epoch: int) -> None:
        if epoch != self._epoch:
            self._order = epoch_order(self._seed, epoch, len(self._lengths))
            self._ends = np.cumsum(self._lengths[self._order])
            self._epoch = epoch


class ConversationOrder:
    """Conversations in batches of similar length.

    Args:
        lengths: (conversations,) tokens of each conversation.
        batch: conversations per step.
        rotation: whose turn it is; None = there is one group.
        members: the conversations of each group; None = all of them are one group.
    """

    def __init__(
        self,
        lengths: IntArray,
        batch: int,
        seed: int,
        rotation: Rotation | None = None,
        members: Sequence[IntArray] | None = None,
    ) -> None:
        self._lengths = lengths
        self._batch = batch
        self._seed = seed
        self._rotation = rotation or Rotation([1])
        self._members = members or [np.arange(len(lengths))]
        self._pool_batches = self._batches_per_pool()
        self._pool = -1
        self._batches: list[IntArray] = []

    def batch(self, step: int) -> IntArray:
        """(batch,) the conversations of a step (0-based), shortest first."""
        pool, place = divmod(step, self._pool_batches)
        if pool != self._pool:
            self._batches = self._make_pool(pool)
            self._pool = pool
        return self._batches[place]

    def _batches_per_pool(self) -> int:
        """A pool longer than an epoch would put copies of a conversation side by side."""
        most = self._rotation.counts(self._rotation.period) * self._batch
        per_batch = -(-most // self._rotation.period)
        epochs = [len(members) // count for members, count in zip(self._members, per_batch, strict=True) if count]
        return int(max(1, min(POOL_BATCHES, *epochs)))

    def _make_pool(self, pool: int) -> list[IntArray]:
        """Each group's conversations go through the pool from short to long; then the batches are shuffled.

        Every batch takes from each group as many as the rotation gives it.
        """
        steps = range(pool * self._pool_batches, (pool + 1) * self._pool_batches + 1)
        before = np.array([self._rotation.counts(step * self._batch) for step in steps])
        # A seed of three parts, so that it is none of the epochs' seeds.
        ranks = np.random.default_rng([self._seed, pool, 1]).permutation(self._pool_batches)
        by_rank = np.argsort(ranks)
        batches: list[list[IntArray]] = [[] for _ in ranks]
        for group, members in enumerate(self._members):
            chosen = self._by_length(self._stretch(members, int(before[0, group]), int(before[-1, group])))
            borders = np.cumsum(np.diff(before[:, group])[by_rank])[:-1]
            for place, piece in zip(by_rank, np.split(chosen, borders), strict=True):
                batches[place].append(piece)
        return [self._by_length(np.concatenate(pieces)) for pieces in batches]

    def _by_length(self, conversations: IntArray) -> IntArray:
        return conversations[np.argsort(self._lengths[conversations], kind="stable")]

    def _stretch(self, members: IntArray, start: int, stop: int) -> IntArray:
        """Places `start` to `stop` of a group's endless row of epochs."""
        found, position, count = [members[:0]], start, len(members)
        while position < stop:
            epoch, inside = divmod(position, count)
            taken = min(count - inside, stop - position)
            found.append(members[epoch_order(self._seed, epoch, count)[inside : inside + taken]])
            position += taken
        return np.concatenate(found)
