"""Embed the documents that are left: fit an embedder to them (or load the one asked for), then go shard by shard."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from danlu.progress import Progress
from danlu.run_directory import RunDirectory
from pipelines.cleaning import store
from pipelines.cleaning.config import CleanConfig, EmbedderConfig
from pipelines.cleaning.keys import comparison_key, simplify
from pipelines.cleaning.layout import Layout, Shard
from pipelines.cleaning.removals import dropped_rows
from pipelines.cleaning.spread import cluster_workers, spread, spread_actors
from pipelines.cleaning.survivors import Removal

# Loading a model costs seconds; an actor more for so many documents is worth it.
_ACTOR_DOCUMENTS = 50_000
_SAMPLE_DOCUMENTS = 2000


@dataclass(frozen=True)
class Embedding:
    """Which embedder made the vectors, the share of tokens it did not know (0 to 1), and whether it was fitted here."""

    model: str
    unknown_token_share: float
    fitted: bool

    def prepare(self, texts: Sequence[str]) -> list[str]:
        """What the embedder is given: simplified texts, or their keys where it looks at letters only anyway."""
        return [comparison_key(text) if self.fitted else simplify(text) for text in texts]


def embed(
    shards: Sequence[Shard],
    documents: int,
    removals: Sequence[Sequence[Removal]],
    config: CleanConfig,
    run: RunDirectory,
    progress: Progress,
) -> Embedding:
    """Vectors for what `removals` have left, one table for each shard.

    Args:
        documents: how many are left.
    """
    layout = Layout(run.uri)
    items = [(shard.name, rows) for shard, rows in zip(shards, dropped_rows(removals, shards), strict=True)]
    embedding = _prepare(items, documents, config, run, progress)
    if run.done("embed") is not None:
        return embedding
    actors = min(cluster_workers(config.workers), 1 + documents // _ACTOR_DOCUMENTS)
    with progress.stage("embed", documents, "documents") as stage:
        gpus = _gpus_for_each(config.embedder, actors)
        for embedded in spread_actors(EmbedShard, (layout, embedding, config.embedder, gpus > 0), items, actors, gpus):
            stage.advance(embedded)
    run.mark_done("embed")
    return embedding


def read_vectors(layout: Layout, shard: str) -> tuple[np.ndarray, np.ndarray]:
    """(n,) int64 rows and (n, dim) float32 vectors of the documents embedded in a shard, in the order of their rows."""
    table = store.read_table(layout.vectors(shard), ["row", "vector"])
    column = table["vector"].combine_chunks()
    vectors = column.flatten().to_numpy().reshape(len(column), -1)
    return table["row"].to_numpy().astype(np.int64), vectors


def sample_vectors(
    shards: Sequence[Shard], documents: int, most: int, layout: Layout, workers: int | None
) -> np.ndarray:
    """(n, dim) float32 vectors of about `most` documents, chosen and ordered by their keys alone."""
    parts = list(spread(SampleVectors(layout, most / max(documents, 1)), [shard.name for shard in shards], workers))
    digests = np.concatenate([digest for digest, _ in parts])
    vectors = np.concatenate([vectors for _, vectors in parts if vectors.size] or [np.zeros((0, 1), np.float32)])
    return vectors[np.argsort(digests, kind="stable")]


@dataclass(frozen=True)
class SampleVectors:
    """(n,) uint64 digests and (n, dim) vectors of a share of a shard's embedded documents."""

    layout: Layout
    share: float

    def __call__(self, shard: str) -> tuple[np.ndarray, np.ndarray]:
        rows, vectors = read_vectors(self.layout, shard)
        keys = store.read_table(self.layout.texts(shard), ["key"])["key"].take(rows)
        digests = store.matrix(keys, "<u8", 2)[:, 0]
        chosen = _chosen(digests, self.share)
        return digests[chosen], vectors[chosen]


@dataclass(frozen=True)
class SampleTexts:
    """[(digest, text)] of a share of the documents of a shard that are left."""

    layout: Layout
    share: float

    def __call__(self, item: tuple[str, np.ndarray]) -> list[tuple[int, str]]:
        shard, dropped = item
        left = left_rows(self.layout, shard, dropped)
        table = store.read_table(self.layout.texts(shard), ["key", "text"]).take(left)
        digests = store.matrix(table["key"], "<u8", 2)[:, 0]
        chosen = np.flatnonzero(_chosen(digests, self.share))
        return list(zip(digests[chosen].tolist(), table["text"].take(chosen).to_pylist(), strict=True))


@dataclass(frozen=True)
class FitEmbedder:
    """Fits and stores an embedder; the share of the texts' tokens that it does not know.

    In a worker, which computes with one thread: sums in another order would give other vectors on another machine.
    """

    layout: Layout
    config: EmbedderConfig
    seed: int

    def __call__(self, texts: list[str]) -> float:
        from actors.embedder import fit_embedder, unknown_token_share

        model = fit_embedder(texts, self.config.dimensions, self.seed)
        with tempfile.TemporaryDirectory() as folder:
            model.save(str(Path(folder, "model")), create_model_card=False)
            store.put_folder(Path(folder, "model"), self.layout.embedder)
        return unknown_token_share(model, texts)


class EmbedShard:
    """Actor: holds an embedder and writes the vectors of shards."""

    def __init__(self, layout: Layout, embedding: Embedding, config: EmbedderConfig, on_gpu: bool) -> None:
        from actors.embedder import Embedder

        self._layout, self._embedding = layout, embedding
        with store.local_folder(embedding.model) as folder:
            device = config.device or ("cuda" if on_gpu else "cpu")
            self._embedder = Embedder(folder, device, batch_size=config.batch_size)

    def __call__(self, item: tuple[str, np.ndarray]) -> int:
        shard, dropped = item
        uri = self._layout.vectors(shard)
        facts = store.read_facts(uri)
        if facts is None:
            rows = left_rows(self._layout, shard, dropped)
            texts = store.read_rows(self._layout.texts(shard), "text", rows)
            vectors = self._embedder({"text": self._embedding.prepare(texts)})["embedding"]
            column = pa.FixedSizeListArray.from_arrays(
                pa.array(vectors.ravel(), pa.float32()), self._embedder.dimensions
            )
            facts = {"documents": len(rows)}
            store.write_table(uri, pa.table({"row": pa.array(rows, pa.int32()), "vector": column}), **facts)
        documents: int = facts["documents"]
        return documents


def left_rows(layout: Layout, shard: str, dropped: np.ndarray) -> np.ndarray:
    """(n,) rows of the documents of a shard that passed the filters and are not among `dropped`."""
    stages = store.read_table(layout.texts(shard), ["stage"])["stage"]
    return np.setdiff1d(np.flatnonzero(stages.is_null().to_numpy()), dropped, assume_unique=True)


def _chosen(digests: np.ndarray, share: float) -> np.ndarray:
    """(n,) bool: a share of all digests, which are as good as random."""
    return digests < np.uint64(min(share, 1.0) * float(2**64 - 2**11))


def _prepare(
    items: Sequence[tuple[str, np.ndarray]], documents: int, config: CleanConfig, run: RunDirectory, progress: Progress
) -> Embedding:
    """Load or fit the embedder; a fitted one is kept, so that a continued run goes on with the very same."""
    done = run.done("embedder")
    if done is not None:
        return Embedding(**done)
    layout = Layout(run.uri)
    parts = spread(SampleTexts(layout, _SAMPLE_DOCUMENTS / documents), items, config.workers)
    texts = [text for _, text in sorted(pair for part in parts for pair in part)]
    if config.embedder.model is not None:
        from actors.embedder import load_embedder, unknown_token_share

        model = load_embedder(config.embedder.model, config.embedder.device or "cpu")
        embedding = Embedding(config.embedder.model, unknown_token_share(model, texts), fitted=False)
    else:
        with progress.stage("fit embedder", len(texts), "documents") as stage:
            fit = FitEmbedder(layout, config.embedder, config.seed)
            (unknown,) = spread(fit, [[comparison_key(text) for text in texts]])
            stage.update(len(texts))
        embedding = Embedding(layout.embedder, unknown, fitted=True)
    run.mark_done("embedder", **vars(embedding))
    return embedding


def _gpus_for_each(config: EmbedderConfig, actors: int) -> float:
    """A share of the cluster's GPUs for each actor; 0 without one, for the fitted embedder, and for device=cpu."""
    import ray

    gpus: Any = ray.cluster_resources().get("GPU", 0.0)
    if not gpus or config.model is None or (config.device or "cuda").startswith("cpu"):
        return 0.0
    return min(gpus / actors, 1.0)
