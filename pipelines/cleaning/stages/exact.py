"""Exact duplicates: texts that differ at most in white space, punctuation, width, case and script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from danlu.progress import Progress
from danlu.run_directory import RunDirectory
from pipelines.cleaning import store
from pipelines.cleaning.config import CleanConfig
from pipelines.cleaning.exchange import PLACE, Exchange, exchange
from pipelines.cleaning.layout import Layout, Shard
from pipelines.cleaning.numbers import numbers_of
from pipelines.cleaning.removals import load_removals, save_removals
from pipelines.cleaning.survivors import Removal, Standing, rank

_COLUMNS = ["id", "stage", "quality", "length", "key"]


def drop_exact(
    shards: Sequence[Shard], documents: int, config: CleanConfig, run: RunDirectory, progress: Progress
) -> list[Removal]:
    """One document of every set with equal comparison keys stays.

    Args:
        documents: how many passed the filters.
    """
    layout = Layout(run.uri)
    uri = layout.removals("exact")
    if config.exact is None or run.done("exact") is not None:
        return load_removals(uri)
    with progress.stage("exact duplicates", documents, "documents") as stage:
        plan = Exchange.plan(documents, config.exchange_documents)
        items = [(place, shard.name) for place, shard in enumerate(shards)]
        found = exchange(EmitKeys(layout, plan.places), items, equal_documents, plan, config.workers)
        removals = save_removals(uri, (removal for part in found for removal in part))
        stage.update(documents, note=f"{len(removals):,} dropped")
    run.mark_done("exact")
    return removals


@dataclass(frozen=True)
class EmitKeys:
    """The keys of a shard's documents that passed the filters, each with what it takes to choose between documents."""

    layout: Layout
    places: int

    def __call__(self, item: tuple[int, str]) -> pa.Table:
        place, shard = item
        table = store.read_table(self.layout.texts(shard), _COLUMNS)
        passed = np.flatnonzero(table["stage"].is_null().to_numpy())
        table = table.take(passed)
        keys = store.matrix(table["key"], "<u8", 2)
        return pa.table(
            {
                PLACE: pa.array((keys[:, 0] % self.places).astype(np.int32)),
                "number": pa.array(numbers_of(place, passed)),
                **{name: table[name].combine_chunks() for name in ("id", "quality", "length", "key")},
            }
        )


def equal_documents(table: pa.Table) -> list[Removal]:
    """What is dropped of the documents in a table, which has all documents with each of its keys."""
    numbers = table["number"].to_numpy()
    removals: list[Removal] = []
    for group in equal_groups(store.matrix(table["key"], "<u8", 2)):
        rows = table.take(group).select(["quality", "length", "id"]).to_pylist()
        standing = {int(number): Standing(**row) for number, row in zip(numbers[group], rows, strict=True)}
        best, *others = rank(standing, standing)
        removals.extend(Removal(number, best, 1.0, standing[best].id) for number in others)
    return removals


def equal_groups(keys: np.ndarray) -> list[np.ndarray]:
    """The sets of at least two rows with equal (n, 2) keys: ascending places."""
    order = np.lexsort((keys[:, 1], keys[:, 0]))
    ordered = keys[order]
    new = np.flatnonzero((ordered[1:] != ordered[:-1]).any(axis=1)) + 1
    return [np.sort(group) for group in np.split(order, new) if len(group) > 1]
