"""Which data belongs to which step: a pure function of the seed, so a resumed run needs to remember only its step.

Documents and conversations are visited in a new random order each epoch, and epochs follow each other without a gap:
a batch may hold the end of one epoch and the start of the next, so nothing is left over, padded or seen twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

# Conversations of this many batches are sorted by length together: the larger, the less padding, the less random.
POOL_BATCHES = 8

IntArray = npt.NDArray[np.int64]


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
    """

    def __init__(self, lengths: IntArray, batch: int, seed: int) -> None:
        self._lengths = lengths
        self._batch = batch
        self._seed = seed
        # A pool longer than an epoch would put copies of a conversation side by side.
        self._pool_batches = max(1, min(POOL_BATCHES, len(lengths) // batch))
        self._pool = -1
        self._batches: IntArray = np.empty((0, 0), np.int64)

    def batch(self, step: int) -> IntArray:
        """(batch,) the conversations of a step (0-based), shortest first."""
        pool, place = divmod(step, self._pool_batches)
        if pool != self._pool:
            self._batches = self._make_pool(pool)
            self._pool = pool
        return self._batches[place]

    def _make_pool(self, pool: int) -> IntArray:
        size = self._pool_batches * self._batch
        members = np.concatenate(list(self._stretch(pool * size, size)))
        by_length = members[np.argsort(self._lengths[members], kind="stable")]
        batches = by_length.reshape(self._pool_batches, self._batch)
        # A seed of three parts, so that it is none of the epochs' seeds.
        return batches[np.random.default_rng([self._seed, pool, 1]).permutation(self._pool_batches)]

    def _stretch(self, start: int, size: int) -> Iterator[IntArray]:
        position, stop, count = start, start + size, len(self._lengths)
        while position < stop:
            epoch, inside = divmod(position, count)
            taken = min(count - inside, stop - position)
            yield epoch_order(self._seed, epoch, count)[inside : inside + taken]
            position += taken
