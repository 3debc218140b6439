"""The documents of a pack, fetched from their shards."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pipelines.cleaning import store
from pipelines.cleaning.layout import Layout
from pipelines.cleaning.minhash import SKETCH_SIZE, estimate_jaccard
from pipelines.cleaning.numbers import rows_of
from pipelines.cleaning.packs import Pack
from pipelines.cleaning.survivors import Standing

_COLUMNS = ["id", "quality", "length", "text"]


@dataclass(frozen=True)
class Members:
    """standing, texts: by document number. numbers: (n,) int64, ascending. sketches: (n, SKETCH_SIZE) uint8."""

    standing: dict[int, Standing]
    texts: dict[int, str]
    numbers: np.ndarray
    sketches: np.ndarray

    def agreement(self, leader: int, others: np.ndarray) -> np.ndarray:
        """(n,) estimated Jaccard similarities of a document to (n,) others."""
        own = self.sketches[np.searchsorted(self.numbers, leader)]
        return estimate_jaccard(own, self.sketches[np.searchsorted(self.numbers, others)])


def read_members(pack: Pack, layout: Layout) -> Members:
    """Every document in the pack's groups."""
    standing: dict[int, Standing] = {}
    texts: dict[int, str] = {}
    sketches = [np.zeros((0, SKETCH_SIZE), dtype=np.uint8)]
    for shard, numbers in pack.places.items():
        table = store.read_table(layout.texts(shard), [*_COLUMNS, "sketch"]).take(rows_of(numbers))
        sketches.append(sketches_of(table["sketch"]))
        for number, row in zip(numbers.tolist(), table.select(_COLUMNS).to_pylist(), strict=True):
            standing[number] = Standing(row["quality"], row["length"], row["id"])
            texts[number] = row["text"]
    # In the order of the shards, and so of the numbers.
    return Members(standing, texts, np.concatenate(list(pack.places.values())), np.concatenate(sketches))


def sketches_of(column: pa.ChunkedArray) -> np.ndarray:
    """(n, SKETCH_SIZE) uint8 sketches of a column of them; zeros for a document without."""
    sketches = np.zeros((len(column), SKETCH_SIZE), dtype=np.uint8)
    sketches[column.is_valid().to_numpy()] = store.matrix(column.drop_null(), "u1", SKETCH_SIZE)
    return sketches
