"""Whether a process leaves a place that one of its own answers has freed to others that want it. Plain counting."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from typing import Generic, TypeVar

ReplicaT = TypeVar("ReplicaT", bound=Hashable)


class Sharing(Generic[ReplicaT]):
    """What one process sees of the others: how many requests of theirs each replica has.

    A process hears at once of the ends of its own answers, and not of others': one that has filled a replica would keep
    it. Others' requests becoming more is the sign that they want places; for each such time, one place is left to them
    for a moment while this process has more than twice theirs. So little is lost where they want few.
    """

    def __init__(self) -> None:
        self._others: Counter[ReplicaT] = Counter()
        self._wanted: set[ReplicaT] = set()
        self._left_until: dict[ReplicaT, float] = {}

    def heard(self, replica: ReplicaT, others: int) -> None:
        """A replica has said how many requests of others it has."""
        if others > self._others[replica]:
            self._wanted.add(replica)
        self._others[replica] = others

    def leaves(self, replica: ReplicaT, own: int, others: int, until: float) -> bool:
        """Whether the place that an answer has just freed is left to others.

        Args:
            own: requests under way that this process has there.
            others: those of others.
            until: how long, in seconds of the clock that `left` is asked with.
        """
        if replica not in self._wanted or not 0 < 2 * others < own:
            return False
        self._wanted.discard(replica)
        self._left_until[replica] = until
        return True

    def left(self, replica: ReplicaT, now: float) -> bool:
        """Whether this process takes no place there now."""
        return self._left_until.get(replica, now) > now

    def forget(self, replica: ReplicaT) -> None:
        """The replica is gone."""
        del self._others[replica]
        self._wanted.discard(replica)
        self._left_until.pop(replica, None)
