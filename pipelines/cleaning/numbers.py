"""A document's number: its shard's place among the shards and its row there, in one integer. Pure.

Numbers need no table that knows every document, so nothing on the driver grows with the corpus.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

_ROW_BITS = 32


def numbers_of(place: int, rows: np.ndarray) -> np.ndarray:
    """(n,) int64 numbers of `rows` (n,) in the shard at `place`."""
    return (np.int64(place) << _ROW_BITS) | np.asarray(rows, dtype=np.int64)


def rows_of(numbers: np.ndarray) -> np.ndarray:
    """(n,) int64 rows."""
    return numbers & ((1 << _ROW_BITS) - 1)


def by_shard(numbers: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """(place of a shard, the `numbers` that lie there, ascending), in the order of the shards."""
    ordered = np.sort(np.asarray(numbers, dtype=np.int64))
    places, starts = np.unique(ordered >> _ROW_BITS, return_index=True)
    if len(ordered):
        yield from zip(places.tolist(), np.split(ordered, starts[1:]), strict=True)


def rows_by_shard(numbers: Sequence[int] | np.ndarray, shards: int) -> list[np.ndarray]:
    """For each of `shards` shards the rows that `numbers` name in it, ascending."""
    found = [np.zeros(0, dtype=np.int64)] * shards
    for place, inside in by_shard(np.asarray(numbers, dtype=np.int64)):
        found[place] = rows_of(inside)
    return found
