"""Lines that too many documents of the whole corpus share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pipelines.cleaning import repeated_lines, store
from pipelines.cleaning.config import CleanConfig, RepeatedLinesConfig
from pipelines.cleaning.exchange import PLACE, Exchange, exchange
from pipelines.cleaning.layout import Layout, Shard


def find_repeated_lines(shards: Sequence[Shard], config: CleanConfig, layout: Layout) -> int:
    """Write the hashes of the lines that too many documents share; returns how many."""
    if config.normalise is None or config.normalise.repeated_lines is None:
        return 0
    plan = Exchange.plan(sum(shard.documents for shard in shards), config.exchange_documents)
    work = CountLines(config.normalise.repeated_lines)
    names = [shard.name for shard in shards]
    return save_lines(exchange(EmitLines(layout, plan.places), names, work, plan, config.workers), layout)


def save_lines(found: Iterable[np.ndarray], layout: Layout) -> int:
    """Write hashes of lines, (n,) uint64 each; returns how many."""
    lines = np.sort(np.concatenate([np.zeros(0, dtype=np.uint64), *found]))
    store.write_table(layout.repeated_lines, pa.table({"line": pa.array(lines, pa.uint64())}))
    return len(lines)


@dataclass(frozen=True)
class EmitLines:
    """The hashed lines of a shard, and how many of its documents have each."""

    layout: Layout
    places: int

    def __call__(self, shard: str) -> pa.Table:
        table = store.read_table(self.layout.lines(shard))
        targets = table["line"].to_numpy() % np.uint64(self.places)
        return table.append_column(PLACE, pa.array(targets.astype(np.int32)))


@dataclass(frozen=True)
class CountLines:
    """The hashes, (n,) uint64, of lines that are repeated too often."""

    config: RepeatedLinesConfig

    def __call__(self, table: pa.Table) -> np.ndarray:
        lines, documents = table["line"].to_numpy(), table["documents"].to_numpy()
        return repeated_lines.repeated(*repeated_lines.count_documents([lines], [documents]), self.config)
