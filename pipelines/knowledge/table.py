"""The LanceDB table of an index: filled shard by shard, then compacted and indexed."""

from __future__ import annotations

import random
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actors.embedder import Embedder
from actors.knowledge_base import layout
from pipelines.knowledge.chunk_files import embedding_text

if TYPE_CHECKING:
    import pyarrow as pa

_TERM_ROWS = 10_000


class ChunkTable:
    """The table `chunks` in `folder`, opened for writing; `dimensions` is the length of its embeddings."""

    def __init__(self, folder: Path, dimensions: int) -> None:
        self.folder = folder
        self.dimensions = dimensions
        folder.mkdir(parents=True, exist_ok=True)
        schema = layout.chunk_schema(dimensions)
        self._table = layout.connect(folder).create_table(layout.TABLE, schema=schema, exist_ok=True)

    def replace_shard(self, shard: int, file: Path, embedder: Embedder) -> Iterator[int]:
        """Embed the chunks of a Parquet file and put them in place of that shard's; yields how many at each batch.

        Rows that a killed run left of the shard are removed first, so nothing is ever in the table twice.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._table.delete(f"shard = {shard}")
        for batch in pq.ParquetFile(file).iter_batches(batch_size=embedder.batch_size):
            vectors = embedder.encode([embedding_text(row) for row in batch.to_pylist()])
            column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), self.dimensions)
            self._table.add(pa.Table.from_batches([batch]).append_column("embedding", column))
            yield len(batch)

    def count(self) -> int:
        return int(self._table.count_rows())

    def finish(self, vector_index_chunks: int) -> None:
        """Compact the table, index its terms and, when it is large, its embeddings."""
        from datetime import timedelta

        from lancedb.index import FTS, HnswSq

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # it warns of other readers: the run directory is locked
            self._table.optimize(cleanup_older_than=timedelta(0))
        # Terms are split by the project's own rule: the library only has to separate them at spaces, unchanged.
        words = FTS(
            base_tokenizer="whitespace",
            stem=False,
            remove_stop_words=False,
            lower_case=False,
            ascii_folding=False,
            max_token_length=None,
        )
        self._table.create_index("terms", config=words, replace=True)
        if self.count() >= vector_index_chunks:
            self._table.create_index("embedding", config=HnswSq(distance_type="cosine"), replace=True)

    def write_term_frequencies(self) -> dict[str, int]:
        """Count in how many chunks each term occurs, write `terms.parquet`, and return the counts.

        The vocabulary (about 100 bytes a term) is held in memory.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        frequencies: Counter[str] = Counter()
        for batch in self._batches(["terms"]):
            for terms in batch["terms"].to_pylist():
                frequencies.update(set(terms.split(" ")))
        table = pa.table({"term": list(frequencies), "chunks": pa.array(frequencies.values(), pa.int64())})
        pq.write_table(table, self.folder / layout.TERMS_FILE)
        return dict(frequencies)

    def repeated_ids(self) -> int:
        """How many chunks carry an id that an earlier chunk has."""
        seen: set[int] = set()
        for batch in self._batches(["chunk_id"]):
            seen.update(hash(name) for name in batch["chunk_id"].to_pylist())
        return self.count() - len(seen)

    def questions(self, limit: int, seed: int) -> list[dict[str, Any]]:
        """A seeded random sample of at most `limit` question-and-answer chunks: chunk_id, document_id, question."""
        columns = ["chunk_id", "document_id", "question"]
        found = self._table.search().where("kind = 'faq'").select(columns).limit(None).to_list()
        found.sort(key=lambda row: row["chunk_id"])
        return random.Random(seed).sample(found, limit) if len(found) > limit else found

    def lengths(self) -> list[int]:
        """The length of every chunk in characters."""
        return [
            end - start
            for b in self._batches(["start", "end"])
            for start, end in zip(*b.to_pydict().values(), strict=True)
        ]

    def _batches(self, columns: list[str]) -> Iterator[pa.RecordBatch]:
        yield from self._table.search().select(columns).to_batches(_TERM_ROWS)
