"""Near duplicates: sketches that meet in a band, verified on the texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import pyarrow as pa

from danlu.progress import Progress
from danlu.run_directory import RunDirectory
from pipelines.cleaning import store
from pipelines.cleaning.anchors import anchor_overlap, anchors
from pipelines.cleaning.concatenation import Concatenation, in_runs
from pipelines.cleaning.config import CleanConfig, NearConfig
from pipelines.cleaning.exchange import PLACE, Exchange, exchange
from pipelines.cleaning.keys import comparison_keys
from pipelines.cleaning.layout import Layout, Shard
from pipelines.cleaning.minhash import BANDS, SKETCH_SIZE, candidate_pairs, jaccards, shingle_sets
from pipelines.cleaning.numbers import numbers_of
from pipelines.cleaning.packs import Pack, verify
from pipelines.cleaning.removals import dropped_rows, load_removals
from pipelines.cleaning.stages.members import read_members
from pipelines.cleaning.stages.verification import drop_verified
from pipelines.cleaning.survivors import Removal

# Three standard errors of a sketch of 111 rows: below the limit by more, the exact value need not be computed.
_SKETCH_ERROR = 0.14


def drop_near(
    shards: Sequence[Shard],
    documents: int,
    exact: Sequence[Removal],
    config: CleanConfig,
    run: RunDirectory,
    progress: Progress,
) -> list[Removal]:
    """Of the documents that `exact` has left, those that share most of their 5-grams with a better one go.

    Args:
        documents: how many are left.
    """
    layout = Layout(run.uri)
    uri = layout.removals("near")
    if config.near is None or run.done("near") is not None:
        return load_removals(uri)
    with progress.stage("near duplicates", documents, "documents") as stage:
        plan = Exchange.plan(documents, config.exchange_documents)
        items = [
            (place, shard.name, rows)
            for place, (shard, rows) in enumerate(zip(shards, dropped_rows([exact], shards), strict=True))
        ]
        met = exchange(EmitBands(layout, plan.places), items, MeetInBands(config.near), plan, config.workers)
        stage.update(documents)
        removals = drop_verified(met, shards, VerifyNear(layout, config.near), uri, config.workers, stage)
    run.mark_done("near")
    return removals


@dataclass(frozen=True)
class EmitBands:
    """A shard's documents, each at every place that one of its band keys belongs to."""

    layout: Layout
    places: int

    def __call__(self, item: tuple[int, str, np.ndarray]) -> pa.Table:
        place, shard, dropped = item
        table = store.read_table(self.layout.texts(shard), ["stage", "key", "bands", "sketch"])
        usable = np.flatnonzero(table["stage"].is_null().to_numpy() & table["sketch"].is_valid().to_numpy())
        left = np.setdiff1d(usable, dropped, assume_unique=True)
        table, numbers = table.take(left), numbers_of(place, left)
        bands = store.matrix(table["bands"], "<u4", BANDS)
        parts = []
        for target in range(self.places):
            here = bands % self.places == target
            rows = np.flatnonzero(here.any(axis=1))
            masked = np.where(here[rows], bands[rows], 0).astype("<u4")
            parts.append(
                {
                    PLACE: pa.array(np.full(len(rows), target, dtype=np.int32)),
                    "number": pa.array(numbers[rows]),
                    "key": table["key"].combine_chunks().take(pa.array(rows)),
                    "bands": store.binary(masked),
                    "sketch": table["sketch"].combine_chunks().take(pa.array(rows)),
                }
            )
        return pa.concat_tables([pa.table(part) for part in parts])


@dataclass(frozen=True)
class MeetInBands:
    """Pairs of numbers, (n_pairs, 2) int64, of documents whose sketches meet in a band that belongs here."""

    config: NearConfig

    def __call__(self, table: pa.Table) -> np.ndarray:
        # By their keys, which are different after exact duplicates have gone: in an order that no file has a part in.
        table = table.take(store.order_of(table["key"]))
        bands = store.matrix(table["bands"], "<u4", BANDS)
        sketches = store.matrix(table["sketch"], "u1", SKETCH_SIZE)
        pairs = candidate_pairs(bands, sketches, self.config.sketch_similarity)
        return table["number"].to_numpy()[pairs]


@dataclass(frozen=True)
class VerifyNear:
    """Computes the exact similarities of possible near duplicates."""

    layout: Layout
    config: NearConfig

    def __call__(self, pack: Pack) -> list[Removal]:
        members = read_members(pack, self.layout)

        hashes = dict(zip(members.texts, _shingles(list(members.texts.values())), strict=True))

        @cache
        def names(number: int) -> frozenset[str]:
            return anchors(members.texts[number])

        def similarity(leader: int, others: np.ndarray) -> np.ndarray:
            values = np.zeros(len(others))
            likely = np.flatnonzero(members.agreement(leader, others) >= self.config.similarity - _SKETCH_ERROR)
            sets = [hashes[other] for other in others[likely].tolist()]
            values[likely] = jaccards(hashes[leader], sets, self.config.similarity)
            for place in np.flatnonzero((values > 0) & (values < self.config.certain)):
                if anchor_overlap(names(leader), names(int(others[place]))) < self.config.anchors:
                    values[place] = 0.0
            return values

        return verify(pack, members.standing, similarity, self.config.similarity)


def _shingles(texts: Sequence[str]) -> Iterator[np.ndarray]:
    """The shingle sets of the keys of texts."""
    for run in in_runs(texts):
        yield from shingle_sets(comparison_keys(run, Concatenation.of(run)))
