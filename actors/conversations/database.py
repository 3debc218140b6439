"""Connecting to the database: SQLite made fit for many writers, PostgreSQL by URL."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, IntegrityError, NoSuchModuleError, ProgrammingError, SQLAlchemyError

from actors.conversations.tables import metadata
from danlu.errors import ConfigError, NotAvailableError, RunError

_BUSY_TIMEOUT_S = 30
# Execution options of connections that only read.
READ_ONLY: dict[str, Any] = {"danlu_read_only": True}


def open_engine(url: str) -> Engine:
    """An engine with the tables in place.

    Raises:
        ConfigError: the URL is malformed, or names another kind of database.
        NotAvailableError: the driver is not installed.
        RunError: the database can't be reached.
    """
    parsed = _parse(url)
    is_sqlite = parsed.get_backend_name() == "sqlite"
    try:
        engine = _sqlite(parsed) if is_sqlite else create_engine(parsed, pool_pre_ping=True)
    except (ModuleNotFoundError, NoSuchModuleError) as error:
        fix = "install the driver, e.g. `pip install pg8000` for postgresql+pg8000://"
        raise NotAvailableError(f"database is {_shown(parsed)}", rule=str(error), fix=fix) from None
    try:
        _create_tables(engine)
    except SQLAlchemyError as error:
        engine.dispose()
        raise RunError(f"database {_shown(parsed)} can't be used", rule=str(error).splitlines()[0]) from None
    return engine


def _create_tables(engine: Engine) -> None:
    """Two processes that start together may both find no table: whoever comes second then finds them made."""
    try:
        metadata.create_all(engine)
    except (ProgrammingError, IntegrityError):
        metadata.create_all(engine)


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ConfigError(
            f"database is {url!r}", rule="no database URL", fix="e.g. sqlite:///runs/talks.sqlite"
        ) from None
    if parsed.get_backend_name() not in ("sqlite", "postgresql"):
        raise ConfigError(f"database is {_shown(parsed)}", rule="it must be sqlite:/// or postgresql://")
    if parsed.get_backend_name() == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise ConfigError(f"database is {_shown(parsed)}", rule="conversations must outlive the process: name a file")
    return parsed


def _sqlite(url: URL) -> Engine:
    """SQLite with a write-ahead log (readers don't wait), and writers that queue up instead of failing.

    A writing transaction begins IMMEDIATE: one that reads first and writes later would otherwise fail at once,
    whatever the timeout, when another has written in between.
    """
    Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, connect_args={"timeout": _BUSY_TIMEOUT_S})

    @event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _: Any) -> None:
        connection.isolation_level = None  # transactions are begun below, not by the driver
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        reads = READ_ONLY.keys() <= connection.get_execution_options().keys()
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    return engine


def _shown(url: URL) -> str:
    return repr(url.render_as_string(hide_password=True))
