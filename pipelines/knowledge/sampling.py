"""A bounded random sample of a corpus that does not fit into memory."""

from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path

from pipelines.knowledge.chunk_files import embedding_text


def sample(files: Iterable[Path], size: int, seed: int) -> list[str]:
    """At most `size` of the chunks' texts, each equally likely (reservoir sampling: Vitter's algorithm R, 1985)."""
    import pyarrow.parquet as pq

    generator = random.Random(seed)
    kept: list[str] = []
    seen = 0
    for file in files:
        for batch in pq.ParquetFile(file).iter_batches(columns=["title", "heading", "text"]):
            for row in batch.to_pylist():
                seen += 1
                if len(kept) < size:
                    kept.append(embedding_text(row))
                elif (place := generator.randrange(seen)) < size:
                    kept[place] = embedding_text(row)
    return kept
