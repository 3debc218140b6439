"""What the stages that compare documents have dropped, kept in the run directory between them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa

from pipelines.cleaning import store
from pipelines.cleaning.layout import Shard
from pipelines.cleaning.numbers import rows_by_shard
from pipelines.cleaning.survivors import Removal

_SCHEMA = pa.schema(
    [("number", pa.int64()), ("survivor", pa.int64()), ("similarity", pa.float64()), ("survivor_id", pa.string())]
)


def save_removals(uri: str, removals: Iterable[Removal]) -> list[Removal]:
    """Write them in the order of their numbers, and return them so."""
    ordered = sorted(removals, key=lambda removal: removal.number)
    store.write_table(uri, pa.Table.from_pylist([vars(removal) for removal in ordered], _SCHEMA))
    return ordered


def load_removals(uri: str) -> list[Removal]:
    """What a finished stage dropped; nothing for a stage that is switched off."""
    if store.read_facts(uri) is None:
        return []
    return [Removal(**row) for row in store.read_table(uri).to_pylist()]


def dropped_rows(removals: Iterable[Sequence[Removal]], shards: Sequence[Shard]) -> list[np.ndarray]:
    """For each shard, the rows that any of some stages dropped: (n,) int64, ascending."""
    return rows_by_shard([removal.number for stage in removals for removal in stage], len(shards))
