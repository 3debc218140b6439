"""Whether a step's loss is one to learn from: decided from losses that all workers share, so all decide alike."""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Iterable
from typing import Literal

OnSpike = Literal["skip", "stop", "ignore"]
Action = Literal["take", "skip", "stop"]

# Losses that the running median is taken over, and how many there must be before a spike can be told.
WINDOW, LEAST = 64, 16
# A spike is so many robust standard deviations above the median, and at least this share of the median.
DEVIATIONS, LEAST_SHARE = 8.0, 0.2
SKIPS_IN_A_ROW = 5
_NORMAL = 1.4826  # a normal distribution's standard deviation, in median absolute deviations


class SpikeWatch:
    """Judges the loss of each step before the weights change.

    A loss that is no number is never learnt from: it is skipped too, or ends the run. After five steps in a row that
    were skipped the run ends, as it is then not a batch but the network that is at fault.
    """

    def __init__(self, on_spike: OnSpike) -> None:
        self._on_spike = on_spike
        self._losses: deque[float] = deque(maxlen=WINDOW)
        self._skipped = 0

    def recall(self, losses: Iterable[float], skipped: int) -> None:
        """Go on after a restart: the losses learnt from so far, and how many of the last steps were skipped."""
        self._losses.extend(losses)
        self._skipped = skipped

    def judge(self, loss: float) -> Action:
        """What to do with a step's gradients."""
        limit = self.limit
        if math.isfinite(loss) and (limit is None or loss <= limit or self._on_spike == "ignore"):
            self._losses.append(loss)
            self._skipped = 0
            return "take"
        self._skipped += 1
        if self._on_spike == "skip" and self._skipped <= SKIPS_IN_A_ROW:
            return "skip"
        return "stop"

    @property
    def limit(self) -> float | None:
        """The loss above which a step is a spike; None while too few losses are known."""
        if len(self._losses) < LEAST:
            return None
        median = statistics.median(self._losses)
        deviation = _NORMAL * statistics.median(abs(loss - median) for loss in self._losses)
        return median + max(DEVIATIONS * deviation, LEAST_SHARE * median)

    def describe(self, loss: float) -> str:
        """What is wrong with a loss that was not taken."""
        if not math.isfinite(loss):
            what = f"the loss is {loss}"
        else:
            median, limit = statistics.median(self._losses), self.limit
            what = (
                f"the loss is {loss:.4g}, the median of {len(self._losses)} steps {median:.4g}, the limit {limit:.4g}"
            )
        return f"{what}, for the {self._skipped}th step in a row" if self._skipped > SKIPS_IN_A_ROW else what


def culprits(parts: Iterable[tuple[int, float]]) -> list[int]:
    """The replicas whose part of the loss is no number, or else the one with the largest.

    Args:
        parts: (replica, its workers' part of the loss), several for a replica of several workers.
    """
    sums: dict[int, float] = {}
    for replica, part in parts:
        sums[replica] = sums.get(replica, 0.0) + part
    broken = [replica for replica, total in sorted(sums.items()) if not math.isfinite(total)]
    return broken or [max(sums, key=lambda replica: sums[replica])]


def shorten(names: list[str], most: int = 6) -> str:
    """`a, b, c and 5 more`."""
    more = len(names) - most
    return ", ".join(names) if more <= 0 else f"{', '.join(names[:most])} and {more} more"
