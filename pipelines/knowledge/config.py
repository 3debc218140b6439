"""Settings of `danlu index`."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from danlu.config import JobConfig, Settings


class ChunkConfig(Settings):
    """How documents are cut."""

    characters: int = Field(default=400, ge=20, le=20_000, description="the longest a chunk of running text may be")
    overlap: int = Field(
        default=60,
        ge=0,
        description="characters, at most, that a chunk repeats of the one before it, in whole sentences",
    )

    @model_validator(mode="after")
    def _overlap_leaves_room(self) -> Self:
        if self.overlap > self.characters // 2:
            rule = f"chunk.overlap is {self.overlap}: it may be half of chunk.characters ({self.characters}) at most"
            raise ValueError(rule)
        return self


class FieldsConfig(Settings):
    """Names of a table's columns, or of the keys of JSON lines."""

    text: str = Field(default="text", description="the document's text")
    id: str = Field(default="id", description="the document's id; rows without one are numbered")
    title: str = Field(
        default="title", description="the document's title, used when its text has no heading of its own"
    )


class IndexConfig(JobConfig):
    """Documents to a searchable knowledge base."""

    input: str | list[str] = Field(
        description="files, folders or globs: md, txt, html, pdf and docx documents; jsonl and parquet tables of them"
    )
    fields: FieldsConfig = Field(default=FieldsConfig(), description="columns of jsonl and parquet tables")
    chunk: ChunkConfig = Field(default=ChunkConfig(), description="how documents are cut")
    embedder: str = Field(
        default="fitted", min_length=1, description="`fitted` to these documents, or a sentence-transformers model"
    )
    dimensions: int = Field(default=256, ge=2, le=4096, description="length of the fitted embedder's vectors")
    batch_size: int = Field(default=256, ge=1, description="chunks embedded at a time")
    dense_weight: float | None = Field(
        default=None,
        ge=0,
        le=10,
        description="weight of dense search in the fusion, full text weighs 1; null measures which weight finds most",
    )
    out_of_scope: str | None = Field(
        default=None,
        description="a jsonl file of questions {text, intent?} that the documents do not answer (where lines have "
        "intents, those of intent `out_of_scope`); the threshold for `found nothing` is then set by them",
    )
    threshold: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="score below which a passage is no answer; null: by `out_of_scope`, or 0.3",
    )
    check_questions: int = Field(
        default=500, ge=0, description="question-and-answer pairs, at most, that the self-retrieval check asks"
    )
    vector_index_chunks: int = Field(
        default=100_000, ge=256, description="from this many chunks on, dense search uses an approximate (HNSW) index"
    )
    seed: int = Field(default=0, description="of every random choice")
