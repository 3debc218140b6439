"""How fast this machine reads memory, the limit of decoding one sequence: every weight is read for every token."""

from __future__ import annotations

import time
from collections.abc import Callable

_BYTES = 1 << 30  # far beyond any cache
_REPEATS = 7


def read_bandwidth(threads: int) -> float:
    """Bytes per second that torch reads with `threads` threads for the product of two vectors; the best of some.

    The fastest of what torch offers for reading: a matrix times a vector reached half of it.
    """
    import torch

    torch.set_num_threads(threads)
    left, right = torch.rand(_BYTES // 8), torch.rand(_BYTES // 8)
    return _BYTES / _best_s(lambda: torch.dot(left, right))


def copy_bandwidth(threads: int) -> float:
    """Bytes per second, read and written, of copying an array; the best of some repeats."""
    import torch

    torch.set_num_threads(threads)
    source = torch.rand(_BYTES // 4)
    target = torch.empty_like(source)
    return 2 * _BYTES / _best_s(lambda: target.copy_(source))


def _best_s(work: Callable[[], object]) -> float:
    found = []
    for _ in range(_REPEATS):
        began = time.perf_counter()
        work()
        found.append(time.perf_counter() - began)
    return min(found)
