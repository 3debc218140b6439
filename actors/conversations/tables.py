"""The database schema, in SQLAlchemy Core: the same on SQLite and PostgreSQL."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)

metadata = MetaData()

# `version` counts the changes of a conversation: a writer that has read an older one is refused.
conversations = Table(
    "danlu_conversations",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("created", DateTime(timezone=True), nullable=False),
    Column("updated", DateTime(timezone=True), nullable=False),
    Column("version", Integer, nullable=False),
    Column("handoff", Boolean, nullable=False, index=True),
    Column("state", JSON, nullable=False),
)

turns = Table(
    "danlu_turns",
    metadata,
    Column("conversation_id", String(32), ForeignKey("danlu_conversations.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("speaker", String(16), nullable=False),
    Column("text", Text, nullable=False),
    Column("details", JSON, nullable=False),
    Column("created", DateTime(timezone=True), nullable=False),
)

feedback = Table(
    "danlu_feedback",
    metadata,
    Column("id", Integer, primary_key=True),
    Column(
        "conversation_id",
        String(32),
        ForeignKey("danlu_conversations.id", ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
    Column("position", Integer, nullable=True),
    Column("rating", Integer, nullable=False),
    Column("comment", Text, nullable=False),
    Column("created", DateTime(timezone=True), nullable=False),
    CheckConstraint("rating between 1 and 5"),
)
