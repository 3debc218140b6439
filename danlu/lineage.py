"""Lineage: which inputs (by content), which code and which earlier runs a run directory came from."""

from __future__ import annotations

import hashlib
import posixpath
import subprocess
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import fsspec
from pydantic import BaseModel

from danlu import __version__
from danlu.errors import InputError

LINEAGE_FILE = "lineage.json"
_CHUNK_BYTES = 1 << 20


class InputFile(BaseModel):
    """One input file, named by content: `digest` is BLAKE2b-128 in hex."""

    path: str
    size_bytes: int
    digest: str


class Lineage(BaseModel):
    """What a run directory came from."""

    job: str
    created: str
    code_version: str
    inputs: list[InputFile]
    parents: list[str]

    def same_inputs(self, other: Lineage) -> bool:
        """Whether both read the same content, wherever the files lay."""
        return sorted(f.digest for f in self.inputs) == sorted(f.digest for f in other.inputs)


def trace(job: str, files: Sequence[str]) -> Lineage:
    """Hash `files` and find the run directories they lie in.

    Raises:
        InputError: a file is gone, or may not be read.
    """
    inputs = [_digest(file) for file in files]
    parents = sorted({parent for file in files if (parent := run_directory_of(file)) is not None})
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Lineage(job=job, created=now, code_version=code_version(), inputs=inputs, parents=parents)


def run_directory_of(path: str) -> str | None:
    """The nearest folder at or above `path` that holds a lineage file, or None."""
    filesystem, plain = fsspec.core.url_to_fs(path)
    folder = plain
    for _ in range(6):
        if filesystem.exists(posixpath.join(folder, LINEAGE_FILE)):
            return filesystem.unstrip_protocol(folder) if "://" in path else folder
        folder, last = posixpath.split(folder.rstrip("/"))
        if not last:
            return None
    return None


def read_lineage(run: str) -> Lineage:
    """The lineage of a run directory; InputError when it has none."""
    filesystem, path = fsspec.core.url_to_fs(run)
    file = posixpath.join(path, LINEAGE_FILE)
    if not filesystem.exists(file):
        raise InputError(f"{run} is no run directory", rule=f"it has no {LINEAGE_FILE}")
    return Lineage.model_validate_json(filesystem.cat_file(file))


def ancestors(run: str, depth: int = 0) -> Iterator[tuple[int, str, Lineage]]:
    """(depth, run directory, lineage) of `run` and of all it came from, parents after children."""
    lineage = read_lineage(run)
    yield depth, run, lineage
    for parent in lineage.parents:
        yield from ancestors(parent, depth + 1)


def code_version() -> str:
    """The package version, with the git commit (and `+changes`) when danlu runs from a checkout."""
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return __version__
    git = ["git", "-C", str(root)]
    try:
        commit = subprocess.run([*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, timeout=10)
        dirty = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return __version__
    if commit.returncode != 0:
        return __version__
    return f"{__version__} ({commit.stdout.strip()}{'+changes' if dirty.stdout.strip() else ''})"


def _digest(file: str) -> InputFile:
    digest, size = hashlib.blake2b(digest_size=16), 0
    try:
        with fsspec.open(file, "rb") as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                digest.update(chunk)
                size += len(chunk)
    except OSError as error:
        raise InputError(f"input file {file}", rule=f"it can't be read ({error.strerror or error})") from None
    return InputFile(path=file, size_bytes=size, digest=digest.hexdigest())
