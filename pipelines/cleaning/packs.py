"""Groups of possible duplicates, packed into work units that carry where their texts lie. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from pipelines.cleaning.index import DocumentIndex
from pipelines.cleaning.survivors import Removal, Similarity, choose_survivors, rank

_PACK_DOCUMENTS = 2000


@dataclass(frozen=True)
class Pack:
    """Groups to verify.

    groups: document numbers, best first. places: where each document lies, {shard: (numbers, rows)}.
    protected: documents that are not to be dropped.
    """

    groups: tuple[tuple[int, ...], ...]
    places: dict[str, tuple[np.ndarray, np.ndarray]]
    protected: frozenset[int]


def pack_groups(
    groups: Iterable[np.ndarray], index: DocumentIndex, protected: frozenset[int] = frozenset()
) -> list[Pack]:
    """Ranked groups, put together up to about 2,000 documents."""
    packs: list[Pack] = []
    held: list[tuple[int, ...]] = []
    for group in groups:
        held.append(tuple(rank(group, index.quality, index.length, index.ids, protected)))
        if sum(map(len, held)) >= _PACK_DOCUMENTS:
            packs.append(_pack(held, index, protected))
            held = []
    return [*packs, _pack(held, index, protected)] if held else packs


def _pack(groups: Sequence[tuple[int, ...]], index: DocumentIndex, protected: frozenset[int]) -> Pack:
    numbers = np.array([number for group in groups for number in group], dtype=np.int64)
    places = {shard: (inside, rows) for shard, inside, rows in index.by_shard(numbers)}
    return Pack(tuple(groups), places, protected & frozenset(numbers.tolist()))


def verify(pack: Pack, similarity: Similarity, least: float) -> list[Removal]:
    """The removals of all groups of a pack."""
    return [removal for group in pack.groups for removal in choose_survivors(group, similarity, least, pack.protected)]
