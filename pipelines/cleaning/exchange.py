"""Bringing together what belongs together: rows of all shards meet by the place that they are emitted to.

Few rows are exchanged by the driver, as a shuffle would only slow them down; many go through the hash shuffle of Ray
Data, spread over the cluster and spilled to disk, and the driver sees only what `reduce` returns. Both give the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from pipelines.cleaning.shuffle import shuffle
from pipelines.cleaning.spread import spread

PLACE = "place"
_BLOCK_ROWS = 5000
# item -> rows with an int32 column `place`
Emit = Callable[[Any], pa.Table]
# rows of one place, in no fixed order -> a small result
Reduce = Callable[[pa.Table], Any]


@dataclass(frozen=True)
class Exchange:
    """How much is exchanged.

    places: how many places rows are emitted to.
    rows: about how many rows will be emitted in all.
    most_rows: more rows than this are shuffled on the cluster.
    """

    places: int
    rows: int
    most_rows: int

    @classmethod
    def plan(cls, rows: int, most_rows: int) -> Exchange:
        """As few places as hold at most `most_rows` of `rows` each."""
        return cls(max(1, -(-rows // most_rows)), rows, most_rows)


def exchange(
    emit: Emit, items: Sequence[Any], reduce: Reduce, plan: Exchange, workers: int | None = None
) -> Iterator[Any]:
    """`reduce` of the rows of every place, in no fixed order; places without rows are left out."""
    work = _ReducePlaces(reduce)
    if plan.rows <= plan.most_rows:
        tables = list(spread(emit, items, workers))
        blocks = split_blocks(pa.concat_tables(tables)) if tables else []
        del tables  # what was emitted need not be held beside its blocks
        for results in spread(work, blocks, workers):
            yield from results
    else:
        yield from shuffle(emit, items, PLACE, work, plan.places, workers)


def split_blocks(table: pa.Table) -> list[pa.Table]:
    """All rows of some places each, in the order of the places; about `_BLOCK_ROWS`, so that a task is worth it."""
    parts, blocks = split_places(table), []
    held: list[pa.Table] = []
    for part in parts:
        held.append(part)
        if sum(map(len, held)) >= _BLOCK_ROWS:
            blocks.append(pa.concat_tables(held))
            held = []
    return [*blocks, pa.concat_tables(held)] if held else blocks


def split_places(table: pa.Table) -> list[pa.Table]:
    """The rows of each place, in their order."""
    if not len(table):
        return []
    places = table[PLACE].to_numpy()
    starts = np.flatnonzero(np.diff(places, prepend=-1))
    if len(starts) > 1:
        order = np.argsort(places, kind="stable")
        table, places = table.take(order), places[order]
        starts = np.flatnonzero(np.diff(places, prepend=-1))
    return [table.slice(a, b - a) for a, b in zip(starts, [*starts[1:], len(table)], strict=True)]


@dataclass(frozen=True)
class _ReducePlaces:
    """A block of a shuffle holds all rows of one or more places."""

    reduce: Reduce

    def __call__(self, table: pa.Table) -> list[Any]:
        return [self.reduce(rows) for rows in split_places(table)]
