"""Reciprocal-rank fusion of rankings that can't be compared by score."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from typing import TypeVar

ItemT = TypeVar("ItemT", bound=Hashable)

# The constant of Cormack, Clarke and Buettcher, "Reciprocal rank fusion outperforms Condorcet", SIGIR 2009.
RANK_OFFSET = 60


def fuse(rankings: Sequence[Sequence[ItemT]], weights: Sequence[float]) -> list[tuple[ItemT, float]]:
    """Merge rankings (best first) into one, best first, with each item's score: sum of weight / (60 + rank).

    An item that an arm did not return counts as ranked behind the last place of the longest ranking. Giving it
    nothing, as the plain formula does, would let a weak arm lift whatever it happens to return above a strong arm's
    best.
    Ties keep the order of the first ranking, then of the next.
    """
    assert len(rankings) == len(weights), "one weight for each ranking"
    order = {item: place for place, item in enumerate(dict.fromkeys(item for ranking in rankings for item in ranking))}
    missing = max(map(len, rankings), default=0) + 1
    scores: defaultdict[ItemT, float] = defaultdict(float)
    for ranking, weight in zip(rankings, weights, strict=True):
        ranks = {item: rank for rank, item in enumerate(ranking, start=1)}
        for item in order:
            scores[item] += weight / (RANK_OFFSET + ranks.get(item, missing))
    return sorted(scores.items(), key=lambda pair: (-pair[1], order[pair[0]]))
