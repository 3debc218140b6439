"""API keys: made once, kept as SHA-256 hashes, one line each in a text file, limits behind the hash.

    # name      hash of the key
    assistant   sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae
    office      sha256:fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9  requests_per_minute=60

A key holds 256 random bits, so a plain hash is enough: there is nothing to guess.
"""

from __future__ import annotations

import hashlib
import logging
import re
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from danlu.errors import InputError
from serve_apps.gateway.limits import Limits

PREFIX = "danlu-"
_LINE = re.compile(r"(?P<name>\S+)\s+sha256:(?P<hash>[0-9a-f]{64})(?P<limits>(\s+\S+)*)")
_LIMIT_NAMES = tuple(limit.name for limit in fields(Limits))

log = logging.getLogger("ray.serve")


def new_key() -> tuple[str, str]:
    """A new key, to be shown once, and its hash (`sha256:...`), to be kept."""
    key = PREFIX + secrets.token_urlsafe(32)
    return key, f"sha256:{hash_key(key)}"


def hash_key(key: str) -> str:
    """SHA-256 of a key in hex."""
    return hashlib.sha256(key.encode()).hexdigest()


@dataclass(frozen=True)
class ApiKey:
    """Whom a key was given to, and what is written behind it."""

    name: str
    limits: Limits = field(default_factory=Limits)


def parse_keys(text: str, source: str) -> dict[str, ApiKey]:
    """Hash -> key for each line of a keys file; empty while it holds comments only.

    Raises:
        InputError: a line is malformed, or a name or a key appears twice.
    """
    keys: dict[str, ApiKey] = {}
    names: set[str] = set()
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.partition("#")[0].strip()
        if not line:
            continue
        where = f"{source}, line {number}"
        found = _LINE.fullmatch(line)
        if found is None:
            raise InputError(where, rule="a line is written `name sha256:<64 hex digits>`, and limits as `name=number`")
        if found["hash"] in keys or found["name"] in names:
            raise InputError(where, rule="its name or its key stands in an earlier line")
        names.add(found["name"])
        keys[found["hash"]] = ApiKey(found["name"], _parse_limits(found["limits"].split(), where))
    return keys


def format_limits(limits: Limits) -> str:
    """The limits as a line of the keys file has them."""
    return " ".join(f"{name}={value}" for name, value in asdict(limits).items() if value is not None)


def _parse_limits(words: list[str], where: str) -> Limits:
    values: dict[str, int] = {}
    for word in words:
        name, _, number = word.partition("=")
        if name not in _LIMIT_NAMES or name in values:
            raise InputError(f"{where}: {word!r}", rule=f"behind the hash stand, once each, {', '.join(_LIMIT_NAMES)}")
        if not re.fullmatch("[0-9]{1,15}", number) or (name != "budget" and int(number) == 0):
            rule = "a limit is a whole number of 1 or more (a budget may be 0)"
            raise InputError(f"{where}: {word!r}", rule=rule, fix="to lock a key out, delete its line")
        values[name] = int(number)
    return Limits(**values)


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
        try:
            self._keys: Mapping[str, ApiKey] = self._read()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"auth.keys_file is {path!r}", rule=f"it can't be read: {error}") from None

    def find(self, key: str) -> ApiKey | None:
        """The line of a key, or None for an unknown key."""
        self._refresh()
        return self._keys.get(hash_key(key))

    def _refresh(self) -> None:
        stamp = self._stat()
        if stamp is not None and stamp == self._stamp:
            return
        try:
            self._keys = self._read()
        except OSError as error:  # removed, or not readable now: nobody gets in until it is there again
            if self._keys:
                log.error("no key is accepted: %s", error)
            self._keys, self._stamp = {}, None  # as of no file; whatever comes is read
            return
        except (InputError, UnicodeDecodeError) as error:  # half-written
            self._keys = {}
            log.error("no key is accepted: %s", error)
        self._stamp = stamp

    def _read(self) -> dict[str, ApiKey]:
        keys = parse_keys(self.path.read_text(encoding="utf-8"), str(self.path))
        if not keys:
            raise InputError(f"{self.path} holds no key", fix=f"danlu key NAME --file {self.path}")
        return keys

    def _stat(self) -> tuple[int, int] | None:
        try:
            stat = self.path.stat()
        except OSError:
            return None
        return stat.st_mtime_ns, stat.st_size
