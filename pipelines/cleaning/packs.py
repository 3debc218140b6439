"""Groups of possible duplicates, packed into work units that carry where their documents lie. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pipelines.cleaning.numbers import by_shard
from pipelines.cleaning.survivors import Removal, Similarity, Standing, choose_survivors, rank

# Large, since a pack's documents lie in most shards, each of which it has to read.
_PACK_DOCUMENTS = 8000


@dataclass(frozen=True)
class Pack:
    """Groups to verify.

    groups: document numbers. places: the numbers that lie in each shard, ascending. protected: not to be dropped.
    """

    groups: tuple[tuple[int, ...], ...]
    places: Mapping[str, np.ndarray]
    protected: frozenset[int]


def pack_groups(
    groups: Iterable[np.ndarray], shards: Sequence[str], protected: frozenset[int] = frozenset()
) -> list[Pack]:
    """Groups put together up to about 8,000 documents; `shards` are the names of all shards in their order."""
    packs: list[Pack] = []
    held: list[tuple[int, ...]] = []
    for group in groups:
        held.append(tuple(group.tolist()))
        if sum(map(len, held)) >= _PACK_DOCUMENTS:
            packs.append(_pack(held, shards, protected))
            held = []
    return [*packs, _pack(held, shards, protected)] if held else packs


def _pack(groups: Sequence[tuple[int, ...]], shards: Sequence[str], protected: frozenset[int]) -> Pack:
    numbers = np.array([number for group in groups for number in group], dtype=np.int64)
    places = {shards[place]: inside for place, inside in by_shard(numbers)}
    return Pack(tuple(groups), places, protected & frozenset(numbers.tolist()))


def verify(pack: Pack, standing: Mapping[int, Standing], similarity: Similarity, least: float) -> list[Removal]:
    """The removals of all groups of a pack, with the ids of the survivors."""
    return [
        replace(removal, survivor_id=standing[removal.survivor].id)
        for group in pack.groups
        for removal in choose_survivors(rank(group, standing, pack.protected), similarity, least, pack.protected)
    ]
