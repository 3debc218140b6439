"""Whose turn it is: each sequence comes from one group of documents, by weights, the same on every worker.

The turns repeat with the smallest period in which each group gets its exact share, so the turn at any position is known
at once: a resumed run needs nothing but its step. Within the period, turn j of a group with share w comes at or after
position floor(j / w) and before ceil((j + 1) / w), the earliest end first. For shares that add up to one this always
works out, and after any number of sequences each group is less than one away from its share ("Proportionate Progress",
Baruah, Cohen, Plaxton, Varvel, Algorithmica 15, 1996).
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import gcd, lcm

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]

OTHERS = "*"
# More would take seconds at the start of each worker.
LONGEST_PERIOD = 100_000


class Rotation:
    """The group of every position, and how often each group had its turn before.

    Args:
        parts: a whole number for each group, as `whole_parts` makes them; a group with 0 has no turns.
    """

    def __init__(self, parts: Sequence[int]) -> None:
        self.period = sum(parts)
        self._parts = np.array(parts, np.int64)
        groups = np.array(_turns(parts), np.int64)
        earlier = np.cumsum(groups[:, None] == np.arange(len(parts)), axis=0, dtype=np.int64)
        # (period + 1, groups): turns before each place of the period
        self._before = np.vstack([np.zeros((1, len(parts)), np.int64), earlier])
        self._groups = groups

    def turn(self, position: int) -> tuple[int, int]:
        """(group, how many turns it had before) at a position."""
        rounds, place = divmod(position, self.period)
        group = int(self._groups[place])
        return group, int(rounds * self._parts[group] + self._before[place, group])

    def counts(self, position: int) -> IntArray:
        """(groups,) turns of each group before a position."""
        rounds, place = divmod(position, self.period)
        return rounds * self._parts + self._before[place]


def whole_parts(weights: Sequence[float]) -> list[int]:
    """The smallest whole numbers in the same proportion as `weights`, each taken as the decimal that it prints as.

    Raises:
        ValueError: there is no positive weight, or the numbers add up to more than LONGEST_PERIOD.
    """
    exact = [Fraction(str(weight)) for weight in weights]
    if not any(exact):
        raise ValueError("no weight of the mixture is above 0")
    common = lcm(*(fraction.denominator for fraction in exact))
    parts = [int(fraction * common) for fraction in exact]
    parts = [part // gcd(*parts) for part in parts]
    if sum(parts) > LONGEST_PERIOD:
        raise ValueError(
            f"the mixture's weights are met exactly only after {sum(parts):,} sequences (at most {LONGEST_PERIOD:,}): "
            "give weights with fewer digits, such as 0.35"
        )
    return parts


def group_of(name: str, mixture: Mapping[str, float]) -> int | None:
    """The group, by its place in the mixture, of a domain or input; None where it is in none or its weight is 0."""
    key = name if name in mixture else OTHERS
    if not mixture.get(key):
        return None
    return list(mixture).index(key)


def _turns(parts: Sequence[int]) -> list[int]:
    """The group at each place of one period."""
    period = sum(parts)
    waiting = [(0, group, 0) for group, part in enumerate(parts) if part]  # (first place allowed, group, its turn)
    ready: list[tuple[int, int, int]] = []  # (place that it must come before, group, its turn)
    turns = []
    for place in range(period):
        while waiting and waiting[0][0] <= place:
            _, group, turn = heapq.heappop(waiting)
            heapq.heappush(ready, (-(-(turn + 1) * period // parts[group]), group, turn))
        end, group, turn = heapq.heappop(ready)
        assert place < end
        turns.append(group)
        if turn + 1 < parts[group]:
            heapq.heappush(waiting, ((turn + 1) * period // parts[group], group, turn + 1))
    return turns
