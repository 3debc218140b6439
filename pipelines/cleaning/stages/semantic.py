"""Semantic duplicates: vectors that lie close, cell by cell, verified on the vectors and on numbers and names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import pyarrow as pa

from danlu.progress import Progress
from danlu.run_directory import RunDirectory
from pipelines.cleaning import store
from pipelines.cleaning.agreement import Facts, facts, same_facts
from pipelines.cleaning.anchors import anchor_jaccard, anchors
from pipelines.cleaning.cells import Cells, plan_cells, split_cell
from pipelines.cleaning.clusters import Agree, near_pairs
from pipelines.cleaning.config import CleanConfig, SemanticConfig
from pipelines.cleaning.exchange import PLACE, Exchange, exchange
from pipelines.cleaning.keys import comparison_key
from pipelines.cleaning.layout import Layout, Shard
from pipelines.cleaning.minhash import SKETCH_SIZE, jaccard, shingles, sketch_agreement
from pipelines.cleaning.numbers import numbers_of, rows_of
from pipelines.cleaning.packs import Pack, verify
from pipelines.cleaning.removals import load_removals
from pipelines.cleaning.spread import spread
from pipelines.cleaning.stages.members import read_members, sketches_of
from pipelines.cleaning.stages.vectors import read_vectors, sample_vectors
from pipelines.cleaning.stages.verification import drop_verified
from pipelines.cleaning.survivors import Removal

SAMPLE_DOCUMENTS = 10_000
# Two texts with half of their pairs of characters in common have some 5-grams in common too; two texts on one topic
# hardly any. It takes away nearly all candidates before a text is read.
_LEAST_AGREEMENT = 0.1
# Half-precision vectors are off by at most this; what is decided on them stays on the safe side.
_HALF_ERROR = 0.005


def drop_semantic(
    shards: Sequence[Shard],
    documents: int,
    near: Sequence[Removal],
    config: CleanConfig,
    run: RunDirectory,
    progress: Progress,
) -> list[Removal]:
    """Of the embedded documents, those that say the same as a better one go; not the survivors of `near`.

    Args:
        documents: how many are embedded.
    """
    layout = Layout(run.uri)
    uri = layout.removals("semantic")
    if config.semantic is None or run.done("semantic") is not None:
        return load_removals(uri)
    with progress.stage("semantic duplicates", documents, "documents") as stage:
        met = _near_pairs(shards, documents, config.semantic, config, layout)
        stage.update(documents)
        stand_ins = frozenset(removal.survivor for removal in near)
        work = VerifySemantic(layout, config.semantic)
        removals = drop_verified(met, shards, work, uri, config.workers, stage, stand_ins)
    run.mark_done("semantic")
    return removals


def _near_pairs(
    shards: Sequence[Shard], documents: int, semantic: SemanticConfig, config: CleanConfig, layout: Layout
) -> list[np.ndarray]:
    """(n_pairs, 2) document numbers, found cell by cell on the cluster."""
    sample = sample_vectors(shards, documents, SAMPLE_DOCUMENTS, layout, config.workers)
    if len(sample) < 2:
        return []
    ((directions, cells),) = spread(PlanCells(semantic, documents, config.seed), [sample])
    emit = EmitVectors(layout, directions, cells)
    work = PairsInCell(directions, semantic, config.seed)
    items = [(place, shard.name) for place, shard in enumerate(shards)]
    plan = Exchange(len(cells), documents, config.exchange_documents)
    return list(exchange(emit, items, work, plan, config.workers))


@dataclass(frozen=True)
class PlanCells:
    """Principal components and cells, from a sample of all vectors.

    In a worker, which computes with one thread: sums in another order would give other cells on another machine.
    """

    config: SemanticConfig
    documents: int
    seed: int

    def __call__(self, sample: np.ndarray) -> tuple[np.ndarray, Cells]:
        directions = principal_components(sample, self.config.dimensions)
        return directions, plan_cells(sample @ directions.T, self.documents, self.config.cell_documents, self.seed)


def principal_components(sample: np.ndarray, count: int) -> np.ndarray:
    """(count, dim) float32 orthonormal rows: the directions in which (n, dim) vectors differ most."""
    _, directions = np.linalg.eigh(np.cov(sample.astype(np.float64), rowvar=False))
    return directions[:, ::-1][:, :count].T.astype(np.float32)


@dataclass(frozen=True)
class EmitVectors:
    """A shard's embedded documents, each in its nearest cells. The vectors travel in half precision."""

    layout: Layout
    directions: np.ndarray
    cells: Cells

    def __call__(self, item: tuple[int, str]) -> pa.Table:
        place, shard = item
        rows, vectors = read_vectors(self.layout, shard)
        table = store.read_table(self.layout.texts(shard), ["key", "sketch"]).take(rows)
        found = self.cells.assign(vectors @ self.directions.T)
        # Once into each of its cells, of which some may be the same.
        numbered = np.arange(len(rows))[:, None] * len(self.cells) + found
        documents, targets = np.divmod(np.unique(numbered), len(self.cells))
        return pa.table(
            {
                PLACE: pa.array(targets.astype(np.int32)),
                "number": pa.array(numbers_of(place, rows)[documents]),
                "key": table["key"].combine_chunks().take(pa.array(documents)),
                "sketch": store.binary(sketches_of(table["sketch"])[documents]),
                "vector": store.binary(vectors.astype("<f2")[documents]),
            }
        )


@dataclass(frozen=True)
class PairsInCell:
    """Clusters one cell: (n_pairs, 2) numbers of documents that may say the same."""

    directions: np.ndarray
    config: SemanticConfig
    seed: int

    def __call__(self, table: pa.Table) -> np.ndarray:
        table = table.take(store.order_of(table["key"]))  # an order that no file has a part in
        vectors = store.matrix(table["vector"], "<f2", self.directions.shape[1]).astype(np.float32)
        sketches = store.matrix(table["sketch"], "u1", SKETCH_SIZE)
        agree = _AgreeInSketches(sketches) if self.config.pairs else None
        return table["number"].to_numpy()[pairs_in_cell(vectors, self.directions, self.config, self.seed, agree)]


@dataclass(frozen=True)
class _AgreeInSketches:
    """Whether two documents share wording at all, by their (n, SKETCH_SIZE) sketches."""

    sketches: np.ndarray

    def __call__(self, pairs: np.ndarray) -> np.ndarray:
        return sketch_agreement(self.sketches, pairs) >= _LEAST_AGREEMENT


def pairs_in_cell(
    vectors: np.ndarray, directions: np.ndarray, config: SemanticConfig, seed: int, agree: Agree | None = None
) -> np.ndarray:
    """(n_pairs, 2) places of near (n, dim) float32 vectors of one cell, which is split where it is too large."""
    found = [np.zeros((0, 2), dtype=np.int64)]
    for part in split_cell(vectors @ directions.T, config.cell_documents, seed):
        inside = None if agree is None else lambda pairs, part=part: agree(part[pairs])
        found.append(part[near_pairs(vectors[part], directions, config.similarity - _HALF_ERROR, inside)])
    return np.concatenate(found)


@dataclass(frozen=True)
class VerifySemantic:
    """Compares possible duplicates to their survivor: vectors, pairs of characters, numbers and names.

    The vectors of an embedder that is fitted to a corpus tell topics better than tellings, hence the other two.
    """

    layout: Layout
    config: SemanticConfig

    def __call__(self, pack: Pack) -> list[Removal]:
        members = read_members(pack, self.layout)
        vectors = self._vectors(pack)

        @cache
        def names(number: int) -> frozenset[str]:
            return anchors(members.texts[number])

        @cache
        def pairs(number: int) -> np.ndarray:
            return shingles(comparison_key(members.texts[number]), 2)

        @cache
        def stated(number: int) -> Facts:
            return facts(members.texts[number])

        def similarity(leader: int, others: np.ndarray) -> np.ndarray:
            places = np.searchsorted(members.numbers, others)
            values = vectors[places] @ vectors[np.searchsorted(members.numbers, leader)]
            if self.config.pairs:  # most others of a large group were never a candidate beside this leader
                values[members.agreement(leader, others) < _LEAST_AGREEMENT] = 0.0
            for place in np.flatnonzero(values >= self.config.similarity):
                other = int(others[place])
                if (
                    anchor_jaccard(names(leader), names(other)) < self.config.anchors
                    or jaccard(pairs(leader), pairs(other)) < self.config.pairs
                    or not same_facts(stated(leader), stated(other))
                ):
                    values[place] = 0.0
            return values

        return verify(pack, members.standing, similarity, self.config.similarity)

    def _vectors(self, pack: Pack) -> np.ndarray:
        """(n, dim) vectors of the pack's documents, in the order of their numbers."""
        found = []
        for shard, numbers in pack.places.items():
            rows, vectors = read_vectors(self.layout, shard)
            found.append(vectors[np.searchsorted(rows, rows_of(numbers))])
        return np.concatenate(found)
