"""The first step: a group of files becomes one Parquet file of chunks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from actors.knowledge_base.terms import search_terms
from pipelines.knowledge.chunking import Chunk, chunk_document
from pipelines.knowledge.config import IndexConfig
from pipelines.knowledge.documents import Fields, Rejected, read_documents

_WRITE_ROWS = 2_000


def chunk_rows(
    files: Sequence[tuple[str, str]], config: IndexConfig, shard: int, rejected: list[Rejected], counts: dict[str, int]
) -> Iterator[dict[str, Any]]:
    """The table rows (embeddings still missing) of `files`, given as (path, document id).

    Args:
        rejected: documents that can't be indexed are added here.
        counts: `documents` and `characters` are counted here.
    """
    fields = Fields(config.fields.text, config.fields.id, config.fields.title)
    for file, file_id in files:
        for document in read_documents(file, file_id, fields):
            if isinstance(document, Rejected):
                rejected.append(document)
                continue
            chunks = chunk_document(document.text, document.title, config.chunk.characters, config.chunk.overlap)
            if not chunks:
                rejected.append(Rejected(document.id, "headings only"))
                continue
            counts["documents"] += 1
            counts["characters"] += len(document.text)
            for number, chunk in enumerate(chunks):
                yield _row(chunk, document.id, number, shard)


def write_chunks(rows: Iterator[dict[str, Any]], file: Path) -> int:
    """Write rows as Parquet, a few thousand in memory at a time, whole or not at all; returns how many."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from actors.knowledge_base.layout import chunk_schema

    schema = chunk_schema(0)
    schema = schema.remove(schema.get_field_index("embedding"))
    file.parent.mkdir(parents=True, exist_ok=True)
    part, written = file.with_suffix(".part"), 0
    with pq.ParquetWriter(part, schema) as writer:
        while batch := list(islice(rows, _WRITE_ROWS)):
            writer.write_table(pa.Table.from_pylist(batch, schema=schema))
            written += len(batch)
    part.replace(file)
    return written


def embedding_text(row: dict[str, Any]) -> str:
    """What is embedded of a chunk: where it stands, and what it says."""
    return "\n".join(part for part in (row["title"], row["heading"], row["text"]) if part)


def _row(chunk: Chunk, document_id: str, number: int, shard: int) -> dict[str, Any]:
    return {
        "chunk_id": f"{document_id}:{number}",
        "document_id": document_id,
        "kind": chunk.kind,
        "title": chunk.title,
        "heading": chunk.heading,
        "text": chunk.text,
        "question": chunk.question,
        "answer": chunk.answer,
        "start": chunk.start,
        "end": chunk.end,
        "terms": " ".join(search_terms(f"{chunk.title} {chunk.heading} {chunk.text}")),
        "shard": shard,
    }
