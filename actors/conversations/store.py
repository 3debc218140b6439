"""The store of conversations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, Engine, func, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from actors.conversations.database import READ_ONLY, open_engine
from actors.conversations.tables import conversations, feedback, turns
from danlu.errors import InputError, RunError


class ConflictError(RunError):
    """The conversation has changed since it was read: read it again and decide anew."""


@dataclass(frozen=True)
class Turn:
    """Something that was said. `speaker` is `user`, `assistant` or `agent`; `details` are plain JSON values."""

    speaker: str
    text: str
    details: Mapping[str, Any] = field(default_factory=dict)
    position: int = -1
    created: datetime | None = None


@dataclass(frozen=True)
class Feedback:
    """A customer's opinion of a conversation, or of its turn at `position`; `rating` is 1 (bad) to 5 (good)."""

    rating: int
    comment: str = ""
    position: int | None = None


@dataclass(frozen=True)
class Conversation:
    """A conversation as it was when it was read."""

    id: str
    version: int
    handoff: bool
    state: Mapping[str, Any]
    turns: tuple[Turn, ...]
    created: datetime
    updated: datetime


class ConversationStore:
    """Conversations in a SQL database. Safe to use from many threads and processes.

    Args:
        url: `sqlite:///path/to/file` or `postgresql+DRIVER://user:password@host/database`; tables are made if missing.

    Raises (every method):
        InputError: no conversation has that id.
        RunError: the database can't be reached or refuses.
    """

    def __init__(self, url: str) -> None:
        self._engine = open_engine(url)
        self._reader = self._engine.execution_options(**READ_ONLY)

    def create(self, state: Mapping[str, Any]) -> str:
        """A new conversation; returns its id (32 hex digits, not to be guessed)."""
        conversation_id, now = uuid4().hex, _now()
        row = {
            "id": conversation_id,
            "created": now,
            "updated": now,
            "version": 0,
            "handoff": False,
            "state": dict(state),
        }
        with self._transaction() as connection:
            connection.execute(insert(conversations).values(row))
        return conversation_id

    def read(self, conversation_id: str) -> Conversation:
        """The conversation with all its turns."""
        with self._transaction(self._reader) as connection:
            head = connection.execute(select(conversations).where(conversations.c.id == conversation_id)).one_or_none()
            if head is None:
                raise _unknown(conversation_id)
            said = select(turns).where(turns.c.conversation_id == conversation_id).order_by(turns.c.position)
            rows = connection.execute(said).all()
        spoken = tuple(Turn(r.speaker, r.text, r.details, r.position, _utc(r.created)) for r in rows)
        return Conversation(
            head.id, head.version, head.handoff, head.state, spoken, _utc(head.created), _utc(head.updated)
        )

    def append(
        self, conversation: Conversation, spoken: Sequence[Turn], state: Mapping[str, Any], *, handoff: bool
    ) -> int:
        """Add turns and set the new state, all or nothing; returns the position of the first turn added.

        Raises:
            ConflictError: somebody else has appended since `conversation` was read.
        """
        now = _now()
        with self._transaction() as connection:
            values = {"version": conversation.version + 1, "state": dict(state), "handoff": handoff, "updated": now}
            same = (conversations.c.id == conversation.id) & (conversations.c.version == conversation.version)
            if connection.execute(update(conversations).where(same).values(values)).rowcount != 1:
                self._require(connection, conversation.id)
                raise ConflictError(
                    f"conversation {conversation.id} has changed", rule="another message came in between"
                )
            first = len(conversation.turns)
            rows = [_turn_row(conversation.id, first + i, turn, now) for i, turn in enumerate(spoken)]
            if rows:
                connection.execute(insert(turns), rows)
        return first

    def waiting(self, limit: int = 100) -> list[str]:
        """Ids of conversations that wait for a person, those that wait longest first."""
        query = select(conversations.c.id).where(conversations.c.handoff).order_by(conversations.c.updated).limit(limit)
        with self._transaction(self._reader) as connection:
            return list(connection.scalars(query))

    def add_feedback(self, conversation_id: str, opinion: Feedback) -> None:
        """Keep an opinion of a conversation, or of one of its turns.

        Raises:
            InputError: the rating is not 1 to 5, or there is no turn at `position`.
        """
        if not 1 <= opinion.rating <= 5:
            raise InputError(f"rating is {opinion.rating}", rule="it is a whole number from 1 to 5")
        with self._transaction() as connection:
            self._require(connection, conversation_id)
            count = select(func.count()).select_from(turns).where(turns.c.conversation_id == conversation_id)
            said = connection.scalar(count) or 0
            if opinion.position is not None and not 0 <= opinion.position < said:
                raise InputError(f"position is {opinion.position}", rule=f"the conversation has {said} turns")
            row = {"conversation_id": conversation_id, "created": _now(), "rating": opinion.rating}
            row |= {"comment": opinion.comment, "position": opinion.position}
            connection.execute(insert(feedback).values(row))

    def read_feedback(self, conversation_id: str) -> list[Feedback]:
        """All opinions of a conversation in the order they came."""
        query = select(feedback).where(feedback.c.conversation_id == conversation_id).order_by(feedback.c.id)
        with self._transaction(self._reader) as connection:
            self._require(connection, conversation_id)
            return [Feedback(row.rating, row.comment, row.position) for row in connection.execute(query)]

    def close(self) -> None:
        """Give all connections back."""
        self._engine.dispose()

    def _require(self, connection: Connection, conversation_id: str) -> None:
        if connection.scalar(select(conversations.c.id).where(conversations.c.id == conversation_id)) is None:
            raise _unknown(conversation_id)

    @contextmanager
    def _transaction(self, engine: Engine | None = None) -> Iterator[Connection]:
        try:
            with (engine or self._engine).begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise RunError("the conversation database refuses", rule=str(error).splitlines()[0]) from error


def _turn_row(conversation_id: str, position: int, turn: Turn, now: datetime) -> dict[str, Any]:
    row = {"conversation_id": conversation_id, "position": position, "speaker": turn.speaker, "text": turn.text}
    return {**row, "details": dict(turn.details), "created": now}


def _unknown(conversation_id: str) -> InputError:
    return InputError(
        f"no conversation {conversation_id[:40]!r}", rule="it was never begun, or the database is another"
    )


def _now() -> datetime:
    return datetime.now(UTC)


def _utc(moment: datetime) -> datetime:
    """SQLite keeps no time zone; everything that is stored is UTC."""
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
