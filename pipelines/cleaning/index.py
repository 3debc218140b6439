"""What the driver knows of every document that passed the filters: enough to find duplicates, not the texts.

About 0.6 KB for each document (0.44 of it the sketch); a corpus larger than that allows has to be cleaned in parts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pipelines.cleaning import store
from pipelines.cleaning.layout import Layout, Shard
from pipelines.cleaning.minhash import SKETCH_SIZE

_COLUMNS = ["id", "stage", "quality", "length", "key", "sketch"]


@dataclass(frozen=True)
class DocumentIndex:
    """n documents, numbered in the order of their ids, so that no result depends on the order of the files.

    ids: (n,) str. shard: (n,) int32, place in `shards`. row: (n,) int32, row in that shard.
    quality: (n,) float32. length: (n,) int32, characters. keys: (n, 2) uint64, digests of the comparison keys.
    sketches: (n, SKETCH_SIZE) uint32. has_sketch: (n,) bool.
    """

    shards: tuple[str, ...]
    ids: np.ndarray
    shard: np.ndarray
    row: np.ndarray
    quality: np.ndarray
    length: np.ndarray
    keys: np.ndarray
    sketches: np.ndarray
    has_sketch: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    def by_shard(self, numbers: np.ndarray) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        """(shard, the `numbers` that lie there, their rows), ordered by shard and row."""
        ordered = numbers[np.lexsort((self.row[numbers], self.shard[numbers]))]
        for shard in np.unique(self.shard[ordered]):
            inside = ordered[self.shard[ordered] == shard]
            yield self.shards[shard], inside, self.row[inside]


def load_index(shards: Sequence[Shard], layout: Layout) -> DocumentIndex:
    """Read the index columns of all shards."""
    tables = [_with_place(store.read_table(layout.texts(s.name), _COLUMNS), i) for i, s in enumerate(shards)]
    table = pa.concat_tables(tables)
    table = table.filter(table["stage"].is_null()).sort_by("id")
    has_sketch = table["sketch"].is_valid().to_numpy()
    sketches = np.full((len(table), SKETCH_SIZE), np.iinfo(np.uint32).max, dtype=np.uint32)
    sketches[has_sketch] = _matrix(table["sketch"].drop_null(), "<u4", SKETCH_SIZE)
    return DocumentIndex(
        shards=tuple(shard.name for shard in shards),
        ids=np.array(table["id"].to_pylist(), dtype=object),
        shard=table["shard"].to_numpy(),
        row=table["row"].to_numpy(),
        quality=table["quality"].to_numpy(),
        length=table["length"].to_numpy(),
        keys=_matrix(table["key"], "<u8", 2),
        sketches=sketches,
        has_sketch=has_sketch,
    )


def _with_place(table: pa.Table, shard: int) -> pa.Table:
    table = table.append_column("shard", pa.array(np.full(len(table), shard, dtype=np.int32)))
    return table.append_column("row", pa.array(np.arange(len(table), dtype=np.int32)))


def _matrix(column: pa.ChunkedArray, dtype: str, width: int) -> np.ndarray:
    """(n, width) from n values of fixed-size binary."""
    joined = b"".join(column.to_pylist())
    return np.frombuffer(joined, dtype=dtype).reshape(-1, width)
