"""Bringing together what belongs together: rows of all shards meet by the place that they are emitted to.

Few rows are exchanged by the driver, as a shuffle would only slow them down; many go through the hash shuffle of Ray
Data, spread over the cluster and spilled to disk, and the driver sees only what `reduce` returns. Both give the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.cleaning.spread import shuffle, spread

PLACE = "place"
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
    if plan.rows <= plan.most_rows:
        tables = list(spread(emit, items, workers))
        yield from spread(reduce, split_places(pa.concat_tables(tables)) if tables else [], workers)
    else:
        yield from shuffle(emit, items, PLACE, _ReducePlaces(reduce), plan.places, workers)


def split_places(table: pa.Table) -> list[pa.Table]:
    """The rows of each place."""
    places = pc.unique(table[PLACE]).sort().to_pylist()
    return [table] if len(places) == 1 else [table.filter(pc.equal(table[PLACE], place)) for place in places]


@dataclass(frozen=True)
class _ReducePlaces:
    """A block of a shuffle holds all rows of one or more places."""

    reduce: Reduce

    def __call__(self, table: pa.Table) -> list[Any]:
        return [self.reduce(rows) for rows in split_places(table)] if len(table) else []
