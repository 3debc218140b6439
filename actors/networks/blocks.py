"""Which kind of feed-forward block each layer of a network has. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, get_args

BlockKind = Literal["dense", "moe", "sparse"]
KINDS: tuple[BlockKind, ...] = get_args(BlockKind)
_ENTRY = re.compile(r"(\w+)(?:\*(\d+))?")


def expand_blocks(pattern: str | Sequence[str], layers: int) -> tuple[BlockKind, ...]:
    """The kinds that a pattern such as `dense, sparse*3` gives `layers` layers; it is repeated until all have one.

    Args:
        pattern: `kind` or `kind*count` entries, with commas between them or as a list.

    Raises:
        ValueError: an entry is no kind, or the layers are no whole number of repetitions.
    """
    entries = pattern.split(",") if isinstance(pattern, str) else pattern
    once = [kind for entry in entries for kind in _expand(entry.strip())]
    if not once or layers % len(once):
        raise ValueError(
            f"sizes.blocks is {pattern!r}, a pattern of {len(once)} layers: "
            f"sizes.layers ({layers}) must be a multiple of that"
        )
    return tuple(once * (layers // len(once)))


def _expand(entry: str) -> list[BlockKind]:
    match = _ENTRY.fullmatch(entry)
    kind = next((kind for kind in KINDS if match and match[1] == kind), None)
    count = int(match[2] or 1) if match else 0
    if kind is None or count < 1:
        raise ValueError(f"sizes.blocks has {entry!r}: an entry is {', '.join(KINDS)}, or one of them with *2, *3, ...")
    return [kind] * count
