"""What every key has taken, in an SQLite file, so that a budget outlives a restart.

The last charges stand beside it, written in the same transaction: a gateway whose answer was lost tells a charge again,
to another ledger it may be, and it must count once.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from danlu.errors import InputError
from serve_apps.gateway.charges import REMEMBERED, Entry

_TABLES = (
    """
CREATE TABLE IF NOT EXISTS usage (
    name TEXT PRIMARY KEY, requests INTEGER NOT NULL, tokens INTEGER NOT NULL, last_used TEXT NOT NULL
)""",
    """
CREATE TABLE IF NOT EXISTS charges (
    number INTEGER PRIMARY KEY, told TEXT NOT NULL UNIQUE, tokens INTEGER NOT NULL, final INTEGER NOT NULL
)""",
)
# Changes no row where the charge stands there already; one that was given up may be told once more.
_TELL = """
INSERT INTO charges (told, tokens, final) VALUES (?, ?, ?)
ON CONFLICT (told) DO UPDATE SET tokens = tokens + excluded.tokens, final = excluded.final
WHERE excluded.final AND NOT final"""
_TOKENS = "SELECT name, tokens FROM usage WHERE name = ?"
_FORGET = "DELETE FROM charges WHERE number <= (SELECT max(number) FROM charges) - ?"
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

    def told(self) -> dict[str, int | None]:
        """The last charges by what they are known by, oldest first: tokens of what was given up, None once final."""
        try:
            with closing(self._connect()) as connection:
                rows = connection.execute("SELECT told, tokens, final FROM charges ORDER BY number").fetchall()
        except sqlite3.Error as error:
            raise self._unusable(error) from error
        return {told: None if final else tokens for told, tokens, final in rows}

    def add(self, entries: Iterable[Entry]) -> dict[str, int]:
        """Add to what is there, all of it or nothing; an entry that stands there already is left out.

        Returns:
            the tokens that each of the keys has taken now.
        """
        keys = set()
        try:
            with closing(self._connect()) as connection, connection:
                for table in _TABLES:
                    connection.execute(table)
                for entry in entries:
                    keys.add(entry.key)
                    if connection.execute(_TELL, (entry.told, entry.tokens, entry.final)).rowcount:
                        connection.execute(_ADD, (entry.key, entry.requests, entry.tokens))
                connection.execute(_FORGET, (REMEMBERED,))
                rows = [connection.execute(_TOKENS, (key,)).fetchone() for key in keys]
        except sqlite3.Error as error:
            raise self._unusable(error) from error
        return dict(row for row in rows if row is not None)

    def prepare(self) -> None:
        """Make the file if need be, so that a wrong path is told at the start."""
        self.add([])

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=5.0)

    def _unusable(self, error: sqlite3.Error) -> InputError:
        return InputError(f"usage file {self.path}", rule=str(error), fix="check auth.usage_file and its folder")
