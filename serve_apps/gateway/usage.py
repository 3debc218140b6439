"""What every key has taken, in an SQLite file, so that a budget outlives a restart."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from danlu.errors import InputError

_TABLE = """
CREATE TABLE IF NOT EXISTS usage (
    name TEXT PRIMARY KEY, requests INTEGER NOT NULL, tokens INTEGER NOT NULL, last_used TEXT NOT NULL
)"""
_ADD = """
INSERT INTO usage VALUES (?, ?, ?, datetime('now'))
ON CONFLICT (name) DO UPDATE SET
    requests = requests + excluded.requests, tokens = tokens + excluded.tokens, last_used = excluded.last_used"""


@dataclass(frozen=True)
class Usage:
    """What one key has taken; `last_used` is UTC, as SQLite writes it."""

    requests: int
    tokens: int
    last_used: str


def usage_path(keys_file: str) -> str:
    """Where the use of a keys file's keys is kept unless the config says otherwise."""
    return f"{keys_file}.usage"


class UsageFile:
    """The file. Methods block, and may be called from any thread, one at a time.

    Raises (all methods):
        InputError: it is no such file, or can't be read or written.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def read(self) -> dict[str, Usage]:
        """The use of every key; none while there is no file."""
        if not self.path.exists():
            return {}
        try:
            with closing(self._connect()) as connection:
                rows = connection.execute("SELECT name, requests, tokens, last_used FROM usage").fetchall()
        except sqlite3.Error as error:
            raise self._unusable(error) from error
        return {name: Usage(requests, tokens, last) for name, requests, tokens, last in rows}

    def add(self, uses: Iterable[tuple[str, int, int]]) -> None:
        """Add (name, requests, tokens) to what is there, all of it or nothing."""
        try:
            with closing(self._connect()) as connection, connection:
                connection.execute(_TABLE)
                connection.executemany(_ADD, list(uses))
        except sqlite3.Error as error:
            raise self._unusable(error) from error

    def prepare(self) -> None:
        """Make the file if need be, so that a wrong path is told at the start."""
        self.add([])

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=5.0)

    def _unusable(self, error: sqlite3.Error) -> InputError:
        return InputError(f"usage file {self.path}", rule=str(error), fix="check auth.usage_file and its folder")
