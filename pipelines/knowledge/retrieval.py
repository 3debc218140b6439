"""How well an index finds its own documents, and the weight and threshold that follow from it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

# The weights of the dense arm that are tried; a poor embedder (one fitted to few documents) ends at 0.
DENSE_WEIGHTS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0)
# With fewer questions the difference between two weights is chance.
ENOUGH_QUESTIONS = 30
# Differences of mean reciprocal rank below this are not worth a heavier dense arm.
_NOTICEABLE = 0.01
OUT_OF_SCOPE_PASSES = 0.05


@dataclass(frozen=True)
class Ranks:
    """For each question, the rank (from 1) at which its document came, or None when it was not found."""

    ranks: tuple[int | None, ...]

    def recall(self, depth: int) -> float:
        """Share of the questions whose document is among the first `depth`; 0 without questions."""
        return self._mean(float(rank is not None and rank <= depth) for rank in self.ranks)

    def reciprocal(self, depth: int = 10) -> float:
        """Mean reciprocal rank, counting the first `depth` places."""
        return self._mean(1 / rank if rank is not None and rank <= depth else 0.0 for rank in self.ranks)

    def _mean(self, values: Iterable[float]) -> float:
        return sum(values) / len(self.ranks) if self.ranks else 0.0


def rank_of(wanted: str, documents: Iterable[str]) -> int | None:
    """The rank of a document in a ranking of chunks, where several chunks of one document take one place."""
    return next((place for place, name in enumerate(dict.fromkeys(documents), start=1) if name == wanted), None)


def choose_dense_weight(by_weight: Mapping[float, Ranks]) -> float:
    """The smallest weight whose mean reciprocal rank is within a hair of the best."""
    best = max(ranks.reciprocal() for ranks in by_weight.values())
    return min(weight for weight, ranks in by_weight.items() if ranks.reciprocal() >= best - _NOTICEABLE)


def choose_threshold(scores: Sequence[float], passes: float = OUT_OF_SCOPE_PASSES) -> float:
    """The lowest threshold that at most a share `passes` of out-of-scope scores (0..1) reaches, rounded up."""
    ordered = sorted(scores, reverse=True)
    highest_refused = ordered[int(passes * len(ordered))]
    return min(1.0, math.floor(highest_refused * 1000 + 1) / 1000)
