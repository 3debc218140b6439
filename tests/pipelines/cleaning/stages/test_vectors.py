"""Vectors of a shard, and a sample of those of all shards."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from danlu.errors import InputError
from pipelines.cleaning import store
from pipelines.cleaning.config import EmbedderConfig
from pipelines.cleaning.layout import Layout
from pipelines.cleaning.stages.vectors import (
    Embedding,
    EmbedShard,
    SampleVectors,
    check_embedder,
    read_vectors,
)


def write_texts(layout: Layout, shard: str, stages: list[str | None]) -> None:
    keys = np.arange(2 * len(stages), dtype="<u8").reshape(-1, 2) << np.uint64(58)
    texts = [f"第{row}篇" for row in range(len(stages))]
    table = {"text": pa.array(texts, pa.string()), "stage": pa.array(stages, pa.string()), "key": store.binary(keys)}
    store.write_table(layout.texts(shard), pa.table(table))


def encode(texts: list[str]) -> np.ndarray:
    return np.full((len(texts), 3), len(texts[0]) if texts else 0, dtype=np.float32)


@pytest.mark.parametrize(
    ("stages", "dropped", "left"), [([None, "filters", None, None], [2], [0, 3]), (["filters"], [], []), ([], [], [])]
)
def test_the_documents_that_are_left_have_vectors(
    tmp_path: Path, stages: list[str | None], dropped: list[int], left: list[int]
) -> None:
    layout = Layout(str(tmp_path))
    write_texts(layout, "0", stages)
    work = EmbedShard(layout, Embedding("m", 0.0, fitted=False), encode)
    item = ("0", np.array(dropped, dtype=np.int64))
    assert work(item) == len(left) == work(item)
    rows, vectors = read_vectors(layout, "0")
    assert rows.tolist() == left and vectors.shape == (len(left), 3)
    digests, sample = SampleVectors(layout, 1.0)("0")
    assert len(digests) == len(sample) == len(left)


def test_a_folder_that_is_not_there_is_no_model(tmp_path: Path) -> None:
    check_embedder(EmbedderConfig())
    check_embedder(EmbedderConfig(model=str(tmp_path), backend="openvino"))
    check_embedder(EmbedderConfig(model="organisation/model"))
    with pytest.raises(InputError, match="there is no such folder"):
        check_embedder(EmbedderConfig(model=str(tmp_path / "nothing")))
