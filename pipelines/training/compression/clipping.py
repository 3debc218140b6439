"""The length of a gradient that nobody has seen whole, so that it can be clipped all the same."""

from __future__ import annotations

import math

_KEPT = 0.95


def clip_coefficient(norm: float, largest: float) -> float:
    """What a gradient of this norm is multiplied with; `largest` 0 is no clipping. DeepSpeed's and torch's formula.

    A norm that is not finite gives itself, so that it shows in the weights instead of passing for a step of length 0.
    """
    if largest == 0:
        return 1.0
    if not math.isfinite(norm):
        return norm
    if norm <= largest:
        return 1.0
    return largest / (norm + 1e-6)


def renewed_ratio(ratio: float, norm: float, workers_norm: float) -> float:
    """The running ratio of the mean gradient's norm to the root mean square of the workers' own norms.

    Taken while whole gradients are sent; later the workers' own norms times this tell the norm of the mean. `ratio` is
    0 at the first step.
    """
    if workers_norm == 0:
        return ratio
    seen = norm / workers_norm
    return seen if ratio == 0 else _KEPT * ratio + (1 - _KEPT) * seen
