"""API keys: made once, kept as SHA-256 hashes, one line each in a text file.

    # name      hash of the key
    assistant   sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae

A key holds 256 random bits, so a plain hash is enough: there is nothing to guess.
"""

from __future__ import annotations

import hashlib
import logging
import re
import secrets
from collections.abc import Mapping
from pathlib import Path

from danlu.errors import InputError

PREFIX = "danlu-"
_LINE = re.compile(r"(?P<name>\S+)\s+sha256:(?P<hash>[0-9a-f]{64})")

log = logging.getLogger("ray.serve")


def new_key() -> tuple[str, str]:
    """A new key, to be shown once, and its hash (`sha256:...`), to be kept."""
    key = PREFIX + secrets.token_urlsafe(32)
    return key, f"sha256:{hash_key(key)}"


def hash_key(key: str) -> str:
    """SHA-256 of a key in hex."""
    return hashlib.sha256(key.encode()).hexdigest()


def parse_keys(text: str, source: str) -> dict[str, str]:
    """Hash -> name for each line of a keys file; empty while it holds comments only.

    Raises:
        InputError: a line is malformed, or a name or a key appears twice.
    """
    names: dict[str, str] = {}
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.partition("#")[0].strip()
        if not line:
            continue
        found = _LINE.fullmatch(line)
        if found is None:
            raise InputError(f"{source}, line {number}", rule="a line is written `name sha256:<64 hex digits>`")
        if found["hash"] in names or found["name"] in names.values():
            raise InputError(f"{source}, line {number}", rule="its name or its key stands in an earlier line")
        names[found["hash"]] = found["name"]
    return names


class KeyFile:
    """The keys of a file, read again when it changes, so that a key can be revoked without a restart.

    Raises (when made):
        InputError: the file is missing, malformed, or holds no key.
    """

    def __init__(self, path: str) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise InputError(f"auth.keys_file is {path!r}", rule="no such file", fix="check the path")
        self._stamp = self._stat()
        self._names: Mapping[str, str] = self._read()

    def owner(self, key: str) -> str | None:
        """The name that a key was given to, or None for an unknown key."""
        self._refresh()
        return self._names.get(hash_key(key))

    def _refresh(self) -> None:
        stamp = self._stat()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._names = self._read()
        except (InputError, OSError, UnicodeDecodeError) as error:
            # Half-written or removed: nobody gets in until the file is whole again.
            self._names = {}
            log.error("no key is accepted: %s", error)

    def _read(self) -> dict[str, str]:
        names = parse_keys(self.path.read_text(encoding="utf-8"), str(self.path))
        if not names:
            raise InputError(f"{self.path} holds no key", fix=f"danlu key NAME --file {self.path}")
        return names

    def _stat(self) -> tuple[int, int] | None:
        try:
            stat = self.path.stat()
        except OSError:
            return None
        return stat.st_mtime_ns, stat.st_size
