"""Whether the cluster still has a place for every worker, while training waits to be started again."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

_LOOK_EVERY_S = 2.0


def free_of(workers: int, per_worker: Mapping[str, float], cluster: Mapping[str, float]) -> int:
    """How many of the workers have a place in a cluster with these resources."""
    return min([workers, *(int(cluster.get(name, 0.0) // amount) for name, amount in per_worker.items())])


class PlaceWatch:
    """Says once when machines were lost that training can't do without, and once when they are back.

    Ray Train itself waits without a word.

    Args:
        resources: those of the cluster, by Ray's names.
    """

    def __init__(
        self,
        workers: int,
        per_worker: Mapping[str, float],
        resources: Callable[[], Mapping[str, float]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._workers, self._per_worker, self._resources, self._clock = workers, per_worker, resources, clock
        self._looked = clock()
        self._places = workers

    def look(self) -> str:
        """What has changed since the last look, for people; nothing while all is as it was."""
        if self._clock() - self._looked < _LOOK_EVERY_S:
            return ""
        self._looked = self._clock()
        before, self._places = self._places, free_of(self._workers, self._per_worker, self._resources())
        if self._places == before:
            return ""
        if self._places == self._workers:
            return f"the cluster has places for all {self._workers} workers again"
        return (
            f"a machine was lost: training wants {self._workers} workers, the cluster has places for {self._places}. "
            "It goes on when there are enough again; or Ctrl-C, and the same command with fewer (parallel.*)"
        )
