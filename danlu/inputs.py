"""Input files: from a path, glob, folder, URI or list of them to the sorted list of files that a job reads."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence

import fsspec

from danlu.errors import InputError
from danlu.filesystems import filesystem_of
from danlu.lineage import LINEAGE_FILE
from danlu.run_directory import has_ended


def find_files(inputs: str | Sequence[str], suffixes: Iterable[str], key: str = "input") -> list[str]:
    """All files named by `inputs` whose name ends with one of `suffixes` (lower case, with the dot).

    A folder is searched with its sub-folders; hidden files and those starting with `_` are passed over.
    A file that is named outright is always taken. The result is sorted and free of repetition.

    Raises:
        InputError: something named does not exist, is empty, or no file fits.
    """
    endings = tuple(suffixes)
    files: list[str] = []
    for location in [inputs] if isinstance(inputs, str) else inputs:
        files.extend(_expand(location, endings, key))
    if not files:
        raise InputError(f"{key} is {inputs!r}", rule=f"no file ends with any of {', '.join(endings)}")
    return sorted(set(files))


def find_artifact(location: str, name: str, key: str = "input") -> str:
    """The artifact `name` of a run directory, or `location` itself when it already is that artifact.

    Args:
        key: the config key that named the location, for messages.

    Raises:
        InputError: the artifact lies in a run that is not finished, so it may be half of one.
    """
    filesystem, path = filesystem_of(location, key)
    require_ended(location, (name,), key)
    return posixpath.join(location, name) if filesystem.exists(posixpath.join(path, name)) else location


def require_ended(location: str, artifacts: Sequence[str], key: str = "input") -> None:
    """Raise when `location` is a run directory, or one of its `artifacts`, and that run has not come to its end.

    Folders that no run made pass, and so do runs whose checks did not hold: their artifacts are whole, and
    `danlu lineage` tells of the checks.

    Raises:
        InputError: the run was stopped, or is under way.
    """
    folder, last = posixpath.split(location.rstrip("/"))
    run = location if _is_run(location, key) or last not in artifacts else folder or "."
    if _is_run(run, key) and not has_ended(run):
        raise InputError(f"{key} is {location!r}", rule="that run is not finished", fix="the same command finishes it")


def _is_run(folder: str, key: str) -> bool:
    filesystem, path = filesystem_of(folder, key)
    return bool(filesystem.exists(posixpath.join(path, LINEAGE_FILE)))


def _expand(location: str, endings: tuple[str, ...], key: str) -> list[str]:
    filesystem, path = filesystem_of(location, key)
    if any(mark in location for mark in "*?["):
        found = [p for p in filesystem.glob(path) if filesystem.isfile(p) and not _hidden(p, posixpath.dirname(p))]
        if not found:
            raise InputError(f"{key} is {location!r}", rule="the pattern matches no file")
    elif filesystem.isdir(path):
        found = [p for p in filesystem.find(path) if p.lower().endswith(endings) and not _hidden(p, path)]
        if not found:
            raise InputError(f"{key} is {location!r}", rule=f"the folder has no file ending with {', '.join(endings)}")
    elif filesystem.exists(path):
        found = [path]
    else:
        raise InputError(f"{key} is {location!r}", rule="no such file or folder", fix="check the path")
    if len(found) == 1 and _size(filesystem, found[0], f"{key} is {location!r}") == 0:
        raise InputError(f"{key} is {location!r}", rule="the file is empty (0 bytes)")
    return [filesystem.unstrip_protocol(p) if "://" in location else p for p in found]


def _size(filesystem: fsspec.AbstractFileSystem, file: str, what: str) -> int | None:
    """Bytes; None where the store does not say."""
    try:
        return filesystem.size(file)
    except OSError as error:
        raise InputError(what, rule=f"{file} can't be read ({error.strerror or error})") from None


def _hidden(path: str, root: str) -> bool:
    inner = path[len(root) :].strip("/").split("/")
    return any(part.startswith((".", "_")) for part in inner)
