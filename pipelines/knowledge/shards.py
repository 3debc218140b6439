"""Input files in groups: the unit of work that a continued run skips when it is finished."""

from __future__ import annotations

from collections.abc import Sequence

MAX_FILES = 500
MAX_BYTES = 64 * 2**20


def group_files(
    files: Sequence[tuple[str, int]], max_files: int = MAX_FILES, max_bytes: int = MAX_BYTES
) -> list[list[str]]:
    """Neighbouring files together until a group has `max_files` or would pass `max_bytes`.

    Args:
        files: (path, size in bytes). A file above `max_bytes` is a group of its own.
    """
    groups: list[list[str]] = []
    size = 0
    for file, file_bytes in files:
        if not groups or len(groups[-1]) == max_files or size + file_bytes > max_bytes:
            groups.append([])
            size = 0
        groups[-1].append(file)
        size += file_bytes
    return groups
