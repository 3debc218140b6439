"""Which document of a group of duplicates stays. Pure.

A connected component is only a candidate: a chain of small changes links documents that have little in common. So the
best document leads, everything similar enough *to it* is dropped in its favour, and the rest goes through the same
again. Every dropped document is thus verified against the one that stands for it, and the outcome depends on the
documents alone, not on the order in which they came.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

# (leader, others (n,)) -> (n,) similarities
Similarity = Callable[[int, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Removal:
    """Document `number` is dropped as a duplicate of `survivor`."""

    number: int
    survivor: int
    similarity: float
    survivor_id: str = ""


class Standing(NamedTuple):
    """What decides between duplicates. Ids are unique."""

    quality: float
    length: int
    id: str


def rank(members: Iterable[int], standing: Mapping[int, Standing], protected: Set[int] = frozenset()) -> list[int]:
    """`members` from best to worst: the protected ones, then by quality, length and the smaller id."""

    def key(member: int) -> tuple[bool, float, int, str]:
        its = standing[member]
        return member not in protected, -its.quality, -its.length, its.id

    return sorted(map(int, members), key=key)


def choose_survivors(
    ranked: Sequence[int], similarity: Similarity, least: float, protected: Set[int] = frozenset()
) -> list[Removal]:
    """Go through `ranked` (best first); what is at least `least` similar to a survivor is dropped in its favour.

    Args:
        protected: documents that stand for others already. They are never dropped: what they stand for was compared to
            them, and to nothing else.
    """
    removals: list[Removal] = []
    rest = np.array(ranked, dtype=np.int64)
    free = np.array([member not in protected for member in ranked], dtype=bool)
    while len(rest) > 1:
        leader, others, free = int(rest[0]), rest[1:], free[1:]
        values = similarity(leader, others)
        close = (values >= least) & free
        removals.extend(
            Removal(int(other), leader, float(value)) for other, value in zip(others[close], values[close], strict=True)
        )
        rest, free = others[~close], free[~close]
    return removals


def follow(removals: Sequence[Removal]) -> list[Removal]:
    """The same documents, each with the survivor that stands there in the end and the least similarity on the way.

    Exact duplicates lead on to the survivor of the document that they equal.
    """
    direct = {removal.number: removal for removal in removals}
    followed: list[Removal] = []
    for removal in removals:
        last, similarity = removal, removal.similarity
        while last.survivor in direct:
            last = direct[last.survivor]
            similarity = min(similarity, last.similarity)
        followed.append(Removal(removal.number, last.survivor, similarity, last.survivor_id))
    return followed
