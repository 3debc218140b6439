"""What lies in a `knowledge/` folder: the one description that its writer and its reader share.

knowledge/index.json        IndexFacts
knowledge/chunks.lance/     the LanceDB table `chunks`
knowledge/terms.parquet     term, chunks: in how many chunks each term occurs
knowledge/embedder/         the sentence-transformers model that made the embeddings
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from danlu.config import Settings

if TYPE_CHECKING:
    import pyarrow as pa

INDEX_FILE = "index.json"
TABLE = "chunks"
TERMS_FILE = "terms.parquet"
EMBEDDER_FOLDER = "embedder"
VERSION = 1


class IndexFacts(Settings):
    """What a reader has to know about an index."""

    version: int = Field(default=VERSION, description="layout of the folder")
    documents: int = Field(description="documents in the index")
    chunks: int = Field(description="chunks in the index")
    dimensions: int = Field(description="length of an embedding")
    embedder: str = Field(description="`fitted`, or the model's name or path")
    dense_weight: float = Field(ge=0, description="weight of the dense arm in the fusion; full text weighs 1")
    threshold: float = Field(ge=0, le=1, description="passages below this score do not answer the question")


def chunk_schema(dimensions: int) -> pa.Schema:
    """The columns of the table. `terms` holds the search terms joined by spaces; `shard` says which batch wrote it."""
    import pyarrow as pa

    text = [(name, pa.string()) for name in ("chunk_id", "document_id", "kind", "title", "heading", "text")]
    rest = [
        ("question", pa.string()),
        ("answer", pa.string()),
        ("start", pa.int64()),
        ("end", pa.int64()),
        ("terms", pa.string()),
        ("shard", pa.int64()),
        ("embedding", pa.list_(pa.float32(), dimensions)),
    ]
    return pa.schema([*text, *rest])


def connect(folder: Path) -> Any:
    """The LanceDB database in `folder`, silent about what is not an error (a table that is made for the first time)."""
    os.environ.setdefault("LANCE_LOG", "error")
    import lancedb

    return lancedb.connect(folder)
