"""Exact and near duplicates: equal keys, then sketches that meet in a band, verified on the texts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from danlu.progress import Progress
from danlu.run_directory import RunDirectory
from pipelines.cleaning import store
from pipelines.cleaning.anchors import anchor_overlap, anchors
from pipelines.cleaning.config import CleanConfig, NearConfig
from pipelines.cleaning.index import DocumentIndex
from pipelines.cleaning.keys import comparison_key
from pipelines.cleaning.layout import Layout
from pipelines.cleaning.minhash import candidate_pairs, estimate_jaccard, jaccard, shingles, sketch
from pipelines.cleaning.packs import Pack, pack_groups, verify
from pipelines.cleaning.spread import spread
from pipelines.cleaning.survivors import Removal, rank
from pipelines.cleaning.union_find import components

REMOVALS = pa.schema([("number", pa.int64()), ("survivor", pa.int64()), ("similarity", pa.float64())])
# Three standard errors of a sketch of 111 rows: below the limit by more, the exact value need not be computed.
_SKETCH_ERROR = 0.14


def drop_exact(index: DocumentIndex, config: CleanConfig, run: RunDirectory, progress: Progress) -> list[Removal]:
    """One document of every set with equal comparison keys stays."""
    uri = Layout(run.uri).removals("exact")
    if config.exact is None or run.done("exact") is not None:
        return load_removals(uri)
    with progress.stage("exact duplicates", len(index), "documents") as stage:
        removals = [
            Removal(number, ranked[0], 1.0)
            for group in equal_groups(index.keys)
            for ranked in [rank(group, index.quality, index.length, index.ids)]
            for number in ranked[1:]
        ]
        stage.update(len(index), note=f"{len(removals):,} dropped")
    save_removals(uri, removals)
    run.mark_done("exact")
    return removals


def equal_groups(keys: np.ndarray) -> list[np.ndarray]:
    """The sets of at least two documents with equal (n, 2) keys: ascending numbers."""
    order = np.lexsort((keys[:, 1], keys[:, 0]))
    ordered = keys[order]
    new = np.flatnonzero((ordered[1:] != ordered[:-1]).any(axis=1)) + 1
    return [np.sort(group) for group in np.split(order, new) if len(group) > 1]


def drop_near(
    index: DocumentIndex, left: np.ndarray, config: CleanConfig, run: RunDirectory, progress: Progress
) -> list[Removal]:
    """Of the documents `left`, those that share most of their 5-grams with a better one go."""
    uri = Layout(run.uri).removals("near")
    if config.near is None or run.done("near") is not None:
        return load_removals(uri)
    with progress.stage("near duplicates", len(left), "documents") as stage:
        compared = left[index.has_sketch[left]]
        pairs = compared[candidate_pairs(index.sketches[compared], config.near.sketch_similarity)]
        packs = pack_groups(components(len(index), pairs), index)
        stage.update(len(left), note=f"{sum(len(g) for p in packs for g in p.groups):,} candidates")
        work = VerifyNear(Layout(run.uri), config.near)
        removals = [removal for found in spread(work, packs, config.workers) for removal in found]
        stage.update(note=f"{len(removals):,} dropped")
    save_removals(uri, removals)
    run.mark_done("near")
    return sorted(removals, key=lambda removal: removal.number)


@dataclass(frozen=True)
class VerifyNear:
    """Computes the exact similarities of possible near duplicates."""

    layout: Layout
    config: NearConfig

    def __call__(self, pack: Pack) -> list[Removal]:
        hashes: dict[int, np.ndarray] = {}
        names: dict[int, frozenset[str]] = {}
        for shard, (numbers, rows) in pack.places.items():
            for number, text in zip(
                map(int, numbers), store.read_rows(self.layout.texts(shard), "text", rows), strict=True
            ):
                hashes[number] = shingles(comparison_key(text))
                names[number] = anchors(text)
        numbers = np.array(sorted(hashes), dtype=np.int64)
        sketches = np.stack([sketch(hashes[int(number)]) for number in numbers])

        def similarity(leader: int, others: np.ndarray) -> np.ndarray:
            places = np.searchsorted(numbers, others)
            estimates = estimate_jaccard(sketches[np.searchsorted(numbers, leader)], sketches[places])
            values = np.zeros(len(others))
            for place in np.flatnonzero(estimates >= self.config.similarity - _SKETCH_ERROR):
                other = int(others[place])
                value = jaccard(hashes[leader], hashes[other])
                same_facts = anchor_overlap(names[leader], names[other]) >= self.config.anchors
                values[place] = value if value >= self.config.certain or same_facts else 0.0
            return values

        return verify(pack, similarity, self.config.similarity)


def save_removals(uri: str, removals: Iterable[Removal]) -> None:
    ordered = sorted(removals, key=lambda removal: removal.number)
    rows = [{"number": r.number, "survivor": r.survivor, "similarity": r.similarity} for r in ordered]
    store.write_table(uri, pa.Table.from_pylist(rows, REMOVALS))


def load_removals(uri: str) -> list[Removal]:
    """What a finished stage dropped; nothing for a stage that is switched off."""
    if store.read_facts(uri) is None:
        return []
    rows = store.read_table(uri).to_pylist()
    return [Removal(row["number"], row["survivor"], row["similarity"]) for row in rows]


def without(numbers: np.ndarray, removals: Sequence[Removal]) -> np.ndarray:
    """`numbers` less those that are dropped, in their order."""
    return np.setdiff1d(numbers, np.array([removal.number for removal in removals], dtype=np.int64))
