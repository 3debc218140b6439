"""Embed the documents that are left: fit an embedder to them (or load the one asked for), then go shard by shard."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from actors.embedder.lexical import LexicalEmbedder, fit_lexical_embedder
from danlu.errors import InputError
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


def check_embedder(config: EmbedderConfig) -> None:
    """Look for the back-end and the model early, so that what is missing is known before hours of work.

    Raises:
        NotAvailableError: the back-end is not installed.
        InputError: the model is a folder of this machine that is not there.
    """
    if config.model is None:
        return
    from actors.embedder.backends import check_backend

    check_backend(config.backend)
    if config.model.startswith(("/", "./", "../", "~")) and not Path(config.model).is_dir():
        raise InputError(
            f"embedder.model is {config.model}",
            rule="there is no such folder",
            fix="give the folder or the Hugging Face name of a sentence-transformers model, or leave it out",
        )


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
    with progress.stage("embed", documents, "documents") as stage:
        for embedded in _embed_shards(items, documents, embedding, config, layout):
            stage.advance(embedded)
    run.mark_done("embed")
    return embedding


def _embed_shards(
    items: Sequence[tuple[str, np.ndarray]], documents: int, embedding: Embedding, config: CleanConfig, layout: Layout
) -> Iterator[int]:
    if embedding.fitted:
        embedder = LexicalEmbedder.from_bytes(store.read_bytes(layout.embedder))
        return spread(EmbedShard(layout, embedding, embedder.encode), items, config.workers)
    actors = min(cluster_workers(config.workers), 1 + documents // _ACTOR_DOCUMENTS)
    gpus = _gpus_for_each(config.embedder, actors)
    arguments = (layout, embedding, config.embedder, gpus > 0)
    return spread_actors(ModelEmbedShard, arguments, items, actors, gpus)


def read_vectors(layout: Layout, shard: str) -> tuple[np.ndarray, np.ndarray]:
    """(n,) int64 rows and (n, dim) float32 vectors of the documents embedded in a shard, in the order of their rows."""
    table = store.read_table(layout.vectors(shard), ["row", "vector"])
    column = table["vector"].combine_chunks()
    vectors = column.flatten().to_numpy().reshape(len(column), column.type.list_size)
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
        keys = [comparison_key(text) for text in texts]
        embedder = fit_lexical_embedder(keys, self.config.dimensions, self.seed)
        store.write_bytes(self.layout.embedder, embedder.to_bytes())
        return embedder.unknown_share(keys)


@dataclass(frozen=True)
class EmbedShard:
    """Writes the vectors of a shard; how many there are.

    encode: prepared texts to (n, dim) float32 of unit norm.
    """

    layout: Layout
    embedding: Embedding
    encode: Callable[[list[str]], np.ndarray]

    def __call__(self, item: tuple[str, np.ndarray]) -> int:
        shard, dropped = item
        uri = self.layout.vectors(shard)
        facts = store.read_facts(uri)
        if facts is None:
            rows = left_rows(self.layout, shard, dropped)
            texts = store.read_rows(self.layout.texts(shard), "text", rows)
            vectors = self.encode(self.embedding.prepare(texts))
            column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel(), pa.float32()), vectors.shape[1])
            facts = {"documents": len(rows)}
            table = pa.table({"row": pa.array(rows, pa.int32()), "vector": column})
            store.write_table(uri, table, compression="none", **facts)  # floats of vectors hardly shrink
        documents: int = facts["documents"]
        return documents


class ModelEmbedShard:
    """Actor: the same with a sentence-transformers model, which it holds."""

    def __init__(self, layout: Layout, embedding: Embedding, config: EmbedderConfig, on_gpu: bool) -> None:
        from actors.embedder import Embedder

        with store.local_folder(embedding.model) as folder:
            device = config.device or ("cuda" if on_gpu else "cpu")
            embedder = Embedder(folder, device, batch_size=config.batch_size, backend=config.backend)
        self._embed = EmbedShard(layout, embedding, embedder.encode)

    def __call__(self, item: tuple[str, np.ndarray]) -> int:
        return self._embed(item)


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

        with store.local_folder(config.embedder.model) as folder:
            model = load_embedder(folder, config.embedder.device or "cpu")
        embedding = Embedding(config.embedder.model, unknown_token_share(model, texts), fitted=False)
    else:
        with progress.stage("fit embedder", len(texts), "documents") as stage:
            fit = FitEmbedder(layout, config.embedder, config.seed)
            (unknown,) = spread(fit, [texts])
            stage.update(len(texts))
        embedding = Embedding(layout.embedder, unknown, fitted=True)
    run.mark_done("embedder", **vars(embedding))
    return embedding


def _gpus_for_each(config: EmbedderConfig, actors: int) -> float:
    """A share of the cluster's GPUs for each actor; 0 without one, for the fitted embedder, and on the CPU."""
    import ray

    gpus: Any = ray.cluster_resources().get("GPU", 0.0)
    if not gpus or config.model is None or config.backend != "torch" or (config.device or "cuda").startswith("cpu"):
        return 0.0
    return min(gpus / actors, 1.0)
