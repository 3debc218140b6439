"""New ids for documents whose id another document has as well."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pipelines.cleaning import store
from pipelines.cleaning.config import CleanConfig
from pipelines.cleaning.exchange import PLACE, Exchange, exchange
from pipelines.cleaning.identifiers import rename_repeated, root
from pipelines.cleaning.layout import Layout, Shard
from pipelines.cleaning.numbers import by_shard, numbers_of, rows_of


def find_renames(shards: Sequence[Shard], config: CleanConfig, layout: Layout) -> dict[str, dict[int, str]]:
    """{shard: {row: new id}} for ids that occurred before, in the order of the files."""
    plan = Exchange.plan(sum(shard.documents for shard in shards), config.exchange_documents)
    items = [(place, shard.name) for place, shard in enumerate(shards)]
    found = exchange(EmitIds(layout, plan.places), items, repeated_ids, plan, config.workers)
    renames = {number: identifier for part in found for number, identifier in part.items()}
    return {
        shards[place].name: {int(rows_of(number)): renames[int(number)] for number in numbers}
        for place, numbers in by_shard(np.array(list(renames), dtype=np.int64))
    }


@dataclass(frozen=True)
class EmitIds:
    """The ids of a shard. An id meets those that it could be given as a new one: `a` and `a~2` go to one place."""

    layout: Layout
    places: int

    def __call__(self, item: tuple[int, str]) -> pa.Table:
        place, shard = item
        ids = store.read_table(self.layout.raw(shard), ["id"])["id"].combine_chunks()
        targets = [zlib.crc32(root(name).encode()) % self.places for name in ids.to_pylist()] if self.places > 1 else 0
        return pa.table(
            {
                PLACE: pa.array(np.broadcast_to(np.array(targets, dtype=np.int32), len(ids))),
                "number": pa.array(numbers_of(place, np.arange(len(ids)))),
                "id": ids,
            }
        )


def repeated_ids(table: pa.Table) -> dict[int, str]:
    """{number: new id} of the documents whose id one before them has."""
    table = table.sort_by("number")
    numbers = table["number"].to_pylist()
    return {numbers[place]: new for place, new in rename_repeated(table["id"].to_pylist()).items()}
