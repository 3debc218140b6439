"""Embed the documents that are left: fit an embedder to them (or load the one asked for), then go shard by shard."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from danlu.progress import Progress
from danlu.run_directory import RunDirectory
from pipelines.cleaning import store
from pipelines.cleaning.config import CleanConfig, EmbedderConfig
from pipelines.cleaning.index import DocumentIndex
from pipelines.cleaning.keys import simplify
from pipelines.cleaning.layout import Layout
from pipelines.cleaning.spread import cluster_workers, spread_actors

# Loading a model costs seconds; an actor more than this many documents is worth it.
_ACTOR_DOCUMENTS = 20_000
_SAMPLE_DOCUMENTS = 3000
_SEED_TEXTS = 1000


@dataclass(frozen=True)
class Embedding:
    """Which embedder made the vectors, and the share of tokens that it did not know (0 to 1)."""

    model: str
    unknown_token_share: float


def embed(
    index: DocumentIndex, left: np.ndarray, config: CleanConfig, run: RunDirectory, progress: Progress
) -> Embedding:
    """Vectors for the documents `left`, one table for each shard."""
    layout = Layout(run.uri)
    embedding = _prepare(index, left, config, run, progress)
    if run.done("embed") is not None:
        return embedding
    items = [(shard, rows) for shard, _, rows in index.by_shard(left)]
    actors = min(cluster_workers(config.workers), 1 + len(left) // _ACTOR_DOCUMENTS)
    with progress.stage("embed", len(left), "documents") as stage:
        gpus = _gpus_for_each(config.embedder, actors)
        for documents in spread_actors(
            EmbedShard, (layout, embedding.model, config.embedder, gpus > 0), items, actors, gpus
        ):
            stage.advance(documents)
    run.mark_done("embed")
    return embedding


def load_vectors(index: DocumentIndex, left: np.ndarray, layout: Layout) -> np.ndarray:
    """(n_left, dim) float16, in the order of `left`: half the memory; decisions are made on the stored float32."""
    places = {int(number): place for place, number in enumerate(left)}
    vectors: np.ndarray | None = None
    for shard, numbers, _ in index.by_shard(left):
        part = read_vectors(layout, shard)
        vectors = np.zeros((len(left), part.shape[1]), dtype=np.float16) if vectors is None else vectors
        vectors[[places[int(number)] for number in numbers]] = part
    return vectors if vectors is not None else np.zeros((0, 1), dtype=np.float16)


def read_vectors(layout: Layout, shard: str) -> np.ndarray:
    """(n, dim) float32 of the documents embedded in a shard, in the order of their rows."""
    column = store.read_table(layout.vectors(shard), ["vector"])["vector"].combine_chunks()
    return column.flatten().to_numpy().reshape(len(column), -1)


class EmbedShard:
    """Actor: holds an embedder and writes the vectors of shards."""

    def __init__(self, layout: Layout, model: str, config: EmbedderConfig, on_gpu: bool) -> None:
        from actors.embedder import Embedder

        self._layout = layout
        with store.local_folder(model) as folder:
            device = config.device or ("cuda" if on_gpu else "cpu")
            self._embedder = Embedder(folder, device, batch_size=config.batch_size)

    def __call__(self, item: tuple[str, np.ndarray]) -> int:
        shard, rows = item
        uri = self._layout.vectors(shard)
        if store.read_facts(uri) is None:
            texts = store.read_rows(self._layout.texts(shard), "text", rows)
            vectors = self._embedder({"text": [simplify(text) for text in texts]})["embedding"]
            flat = pa.array(vectors.ravel(), pa.float32())
            column = pa.FixedSizeListArray.from_arrays(flat, self._embedder.dimensions)
            store.write_table(uri, pa.table({"row": pa.array(rows, pa.int32()), "vector": column}))
        return len(rows)


def _prepare(
    index: DocumentIndex, left: np.ndarray, config: CleanConfig, run: RunDirectory, progress: Progress
) -> Embedding:
    """Load or fit the embedder; a fitted one is kept, so that a continued run goes on with the very same."""
    from actors.embedder import fit_embedder, load_embedder, unknown_token_share

    done = run.done("embedder")
    if done is not None:
        return Embedding(done["model"], done["unknown_token_share"])
    layout = Layout(run.uri)
    sample = random.Random(config.seed).sample(list(left), min(len(left), _SAMPLE_DOCUMENTS))
    texts = list(_texts(index, np.sort(np.array(sample, dtype=np.int64)), layout))
    if config.embedder.model is not None:
        model = load_embedder(config.embedder.model, config.embedder.device or "cpu")
        return _finish(Embedding(config.embedder.model, unknown_token_share(model, texts)), run)
    fit_texts = [*texts, *_seed_texts(config)]
    with progress.stage("fit embedder", len(fit_texts), "texts") as stage:
        fitted = fit_embedder(fit_texts, config.embedder.dimensions, config.seed)
        stage.update(len(fit_texts), note=f"{fitted.get_embedding_dimension()} dimensions")
    with tempfile.TemporaryDirectory() as folder:
        fitted.save(str(Path(folder, "model")), create_model_card=False)
        store.put_folder(Path(folder, "model"), layout.embedder)
    return _finish(Embedding(layout.embedder, unknown_token_share(fitted, texts)), run)


def _finish(embedding: Embedding, run: RunDirectory) -> Embedding:
    run.mark_done("embedder", model=embedding.model, unknown_token_share=embedding.unknown_token_share)
    return embedding


def _seed_texts(config: CleanConfig) -> list[str]:
    """The domains' seeds: an embedder that never saw their words could not tell them apart."""
    if config.domain is None:
        return []
    from actors.domain_classifier import read_seeds

    texts = [simplify(text) for seeds in read_seeds(config.domain.seeds).values() for text in seeds]
    return random.Random(config.seed).sample(texts, min(len(texts), _SEED_TEXTS))


def _texts(index: DocumentIndex, numbers: Sequence[int] | np.ndarray, layout: Layout) -> Iterator[str]:
    """The texts of documents, simplified, in the order of the shards."""
    for shard, _, rows in index.by_shard(np.asarray(numbers)):
        yield from map(simplify, store.read_rows(layout.texts(shard), "text", rows))


def _gpus_for_each(config: EmbedderConfig, actors: int) -> float:
    """A share of the cluster's GPUs for each actor; 0 without one, for the fitted embedder, and for device=cpu."""
    import ray

    gpus: Any = ray.cluster_resources().get("GPU", 0.0)
    if not gpus or config.model is None or (config.device or "cuda").startswith("cpu"):
        return 0.0
    return min(gpus / actors, 1.0)
