"""Lineage: which inputs (by content), which code and which earlier runs a run directory came from."""

from __future__ import annotations

import hashlib
import posixpath
import subprocess
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import fsspec
from pydantic import BaseModel, ValidationError

from danlu import __version__
from danlu.errors import DanluError, InputError
from danlu.filesystems import filesystem_of

LINEAGE_FILE = "lineage.json"
_CHUNK_BYTES = 1 << 20
_CHANGED = "+changes"


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
        """Whether both read the same files in the same order, wherever their common folder lay.

        Names and order count because finished steps are kept by them: a job cuts its work along the list of files.
        """
        return self._named_content() == other._named_content()

    def same_code(self, other: Lineage) -> bool:
        """Whether both surely ran the same code: a checkout with changes is never sure to be the same."""
        return self.code_version == other.code_version and not self.code_version.endswith(f"{_CHANGED})")

    def _named_content(self) -> list[tuple[str, str]]:
        names = below_common_folder([file.path for file in self.inputs])
        return [(name, file.digest) for name, file in zip(names, self.inputs, strict=True)]


def trace(job: str, files: Sequence[str]) -> Lineage:
    """Hash `files` and find the run directories they lie in.

    Raises:
        InputError: a file is gone, or may not be read.
    """
    inputs = [_digest(file) for file in files]
    parents = sorted({parent for file in files if (parent := run_directory_of(file)) is not None})
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Lineage(job=job, created=now, code_version=code_version(), inputs=inputs, parents=parents)


def require_run(path: str) -> str:
    """The run directory that `path` is, or lies in.

    Raises:
        InputError: nothing is there, or no run.
    """
    filesystem, inside = filesystem_of(path, "run")
    if not filesystem.exists(inside):
        raise InputError(f"{path} does not exist", fix="give a run directory, or something in one")
    folder = run_directory_of(path)
    if folder is None:
        raise InputError(f"{path} lies in no run directory", rule=f"no {LINEAGE_FILE} at or above it")
    return folder


def below_common_folder(paths: Sequence[str]) -> list[str]:
    """Each path without the folders that all of them share: `raw/a/1.txt`, `raw/2.txt` -> `a/1.txt`, `2.txt`."""
    parts = [path.split("/") for path in paths]
    shared = 0
    for folders in zip(*(p[:-1] for p in parts), strict=False):
        if len(set(folders)) > 1:
            break
        shared += 1
    return ["/".join(p[shared:]) for p in parts]


def run_directory_of(path: str) -> str | None:
    """The nearest folder at or above `path` that holds a lineage file, or None."""
    filesystem, plain = filesystem_of(path, "path")
    folder = plain
    for _ in range(6):
        if filesystem.exists(posixpath.join(folder, LINEAGE_FILE)):
            return filesystem.unstrip_protocol(folder) if "://" in path else folder
        folder, last = posixpath.split(folder.rstrip("/"))
        if not last:
            return None
    return None


def read_lineage(run: str) -> Lineage:
    """The lineage of a run directory; InputError when it has none, or one that can't be read."""
    filesystem, path = filesystem_of(run, "run")
    file = posixpath.join(path, LINEAGE_FILE)
    if not filesystem.exists(file):
        raise InputError(f"{run} is no run directory", rule=f"it has no {LINEAGE_FILE}")
    try:
        return Lineage.model_validate_json(filesystem.cat_file(file))
    except ValidationError:
        raise InputError(f"{run} is no run directory", rule=f"its {LINEAGE_FILE} can't be read") from None


def ancestors(run: str) -> Iterator[tuple[int, str, Lineage | None]]:
    """(depth, run directory, lineage) of `run` and of all it came from, parents after children.

    The lineage is None for a parent that was removed or can't be read: its own parents are unknown then.

    Raises:
        InputError: `run` itself is no run directory.
    """
    yield from _walk(run, read_lineage(run), 0, ())


def _walk(run: str, lineage: Lineage, depth: int, below: tuple[str, ...]) -> Iterator[tuple[int, str, Lineage | None]]:
    yield depth, run, lineage
    for parent in lineage.parents:
        if parent in (run, *below):  # a run that read its own files
            continue
        try:
            known = read_lineage(parent)
        except DanluError:
            yield depth + 1, parent, None
        else:
            yield from _walk(parent, known, depth + 1, (run, *below))


def code_version() -> str:
    """The package version, with the git commit (and `+changes`) when danlu runs from a checkout."""
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return __version__
    git = ["git", "-C", str(root)]
    try:
        commit = subprocess.run([*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, timeout=10)
        # Of the code alone: a config or a run beside it changes nothing.
        status = [*git, "status", "--porcelain", "--", "*.py", "*.j2", "*.toml"]
        dirty = subprocess.run(status, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return __version__
    if commit.returncode != 0:
        return __version__
    return f"{__version__} ({commit.stdout.strip()}{_CHANGED if dirty.stdout.strip() else ''})"


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
