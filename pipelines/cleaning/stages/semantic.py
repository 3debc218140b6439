"""Semantic duplicates: vectors that lie close, cell by cell, verified on the vectors and on numbers and names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from danlu.progress import Progress
from danlu.run_directory import RunDirectory
from pipelines.cleaning import store
from pipelines.cleaning.anchors import anchor_jaccard, anchors
from pipelines.cleaning.cells import plan_cells
from pipelines.cleaning.clusters import near_pairs
from pipelines.cleaning.config import CleanConfig, SemanticConfig
from pipelines.cleaning.index import DocumentIndex
from pipelines.cleaning.keys import comparison_key
from pipelines.cleaning.layout import Layout
from pipelines.cleaning.minhash import jaccard, shingles, sketch_agreement
from pipelines.cleaning.packs import Pack, pack_groups, verify
from pipelines.cleaning.spread import spread
from pipelines.cleaning.stages.duplicates import load_removals, save_removals
from pipelines.cleaning.stages.vectors import load_vectors
from pipelines.cleaning.survivors import Removal
from pipelines.cleaning.union_find import components

_PCA_DOCUMENTS = 20_000
# Two texts with half of their pairs of characters in common have some 5-grams in common too; two texts on one topic
# hardly any. It takes away nearly all candidates before a text is read.
_LEAST_AGREEMENT = 0.1
# Half-precision vectors are off by at most this; what is decided on them stays on the safe side.
_HALF_ERROR = 0.005


def drop_semantic(
    index: DocumentIndex,
    left: np.ndarray,
    stand_ins: frozenset[int],
    config: CleanConfig,
    run: RunDirectory,
    progress: Progress,
) -> list[Removal]:
    """Of the documents `left`, those that say the same as a better one go; not the `stand_ins` of near duplicates."""
    layout = Layout(run.uri)
    uri = layout.removals("semantic")
    if config.semantic is None or run.done("semantic") is not None:
        return load_removals(uri)
    with progress.stage("semantic duplicates", len(left), "documents") as stage:
        pairs = left[_near_pairs(load_vectors(index, left, layout), config)]
        if config.semantic.pairs:
            pairs = pairs[sketch_agreement(index.sketches, pairs) >= _LEAST_AGREEMENT]
        packs = pack_groups(components(len(index), pairs), index, stand_ins)
        stage.update(len(left), note=f"{sum(len(g) for p in packs for g in p.groups):,} candidates")
        work = VerifySemantic(layout, config.semantic)
        removals = [removal for found in spread(work, packs, config.workers) for removal in found]
        stage.update(note=f"{len(removals):,} dropped")
    save_removals(uri, removals)
    run.mark_done("semantic")
    return sorted(removals, key=lambda removal: removal.number)


def _near_pairs(vectors: np.ndarray, config: CleanConfig) -> np.ndarray:
    """(n_pairs, 2) places in `vectors`, (n, dim) float16: found cell by cell on the cluster."""
    assert config.semantic is not None
    if len(vectors) < 2:
        return np.zeros((0, 2), dtype=np.int64)
    components_ = principal_components(vectors, config.semantic.dimensions, config.seed)
    reduced = np.concatenate([part.astype(np.float32) @ components_.T for part in _blocks(vectors)])
    cells = plan_cells(reduced, config.semantic.cell_documents, config.seed)
    work = PairsInCell(components_, config.semantic.similarity)
    found = spread(work, [(cell, vectors[cell]) for cell in cells], config.workers)
    return np.unique(np.concatenate(list(found)), axis=0)


def principal_components(vectors: np.ndarray, count: int, seed: int) -> np.ndarray:
    """(count, dim) float32 orthonormal rows: the directions in which a sample of the vectors differs most."""
    if len(vectors) > _PCA_DOCUMENTS:
        chosen = np.random.default_rng(seed).choice(len(vectors), _PCA_DOCUMENTS, replace=False)
        vectors = vectors[np.sort(chosen)]
    sample = vectors.astype(np.float64)
    _, directions = np.linalg.eigh(np.cov(sample, rowvar=False))
    return directions[:, ::-1][:, :count].T.astype(np.float32)


def _blocks(vectors: np.ndarray, size: int = 65_536) -> Sequence[np.ndarray]:
    return [vectors[start : start + size] for start in range(0, len(vectors), size)]


@dataclass(frozen=True)
class PairsInCell:
    """Clusters one cell. The vectors come as float16."""

    components: np.ndarray
    similarity: float

    def __call__(self, item: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        numbers, vectors = item
        return numbers[near_pairs(vectors.astype(np.float32), self.components, self.similarity - _HALF_ERROR)]


@dataclass(frozen=True)
class VerifySemantic:
    """Compares possible duplicates to their survivor: vectors, pairs of characters, numbers and names.

    The vectors of an embedder that is fitted to a corpus tell topics better than tellings, hence the other two.
    """

    layout: Layout
    config: SemanticConfig

    def __call__(self, pack: Pack) -> list[Removal]:
        vectors: dict[int, np.ndarray] = {}
        names: dict[int, frozenset[str]] = {}
        pairs: dict[int, np.ndarray] = {}
        for shard, (numbers, rows) in pack.places.items():
            vectors.update(zip(map(int, numbers), self._vectors(shard, rows), strict=True))
            for number, text in zip(
                map(int, numbers), store.read_rows(self.layout.texts(shard), "text", rows), strict=True
            ):
                names[number] = anchors(text)
                pairs[number] = shingles(comparison_key(text), 2)

        def similarity(leader: int, others: np.ndarray) -> np.ndarray:
            values = np.stack([vectors[int(other)] for other in others]) @ vectors[leader]
            for place in np.flatnonzero(values >= self.config.similarity):
                other = int(others[place])
                same_facts = anchor_jaccard(names[leader], names[other]) >= self.config.anchors
                if not same_facts or jaccard(pairs[leader], pairs[other]) < self.config.pairs:
                    values[place] = 0.0
            return values

        return verify(pack, similarity, self.config.similarity)

    def _vectors(self, shard: str, rows: np.ndarray) -> np.ndarray:
        table = store.read_table(self.layout.vectors(shard))
        places = np.searchsorted(table["row"].to_numpy(), rows)
        column = table["vector"].combine_chunks()
        return column.flatten().to_numpy().reshape(len(column), -1)[places]
