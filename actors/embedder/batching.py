"""Batches whose vectors do not depend on how they were cut, and how large they should be. Pure.

An encoder pads the texts of a batch to one length, and sums in another order at another length: a text's vector depends
in its last bits on its neighbours. So texts are only put together where each would be padded to the same length alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

# Padding to so many tokens wastes half of them on average, a twentieth of a text that fills the usual 256 to 512.
PAD_TOKENS = 32
# Doubling must be worth this much, or a larger batch only takes memory.
LEAST_GAIN = 1.05


def pad_multiple(longest: int | None) -> int:
    """What lengths are rounded up to: a divisor of the model's `longest` input, so that none becomes longer."""
    multiple = PAD_TOKENS
    while longest is not None and longest % multiple:
        multiple //= 2
    return multiple


def groups_of_equal_padding(lengths: Sequence[int], multiple: int) -> list[tuple[int, np.ndarray]]:
    """[(padded length, places of its texts)] of texts with `lengths` in tokens, the longest first."""
    padded = -(-np.asarray(lengths, dtype=np.int64) // multiple) * multiple
    return [(int(length), np.flatnonzero(padded == length)) for length in np.unique(padded)[::-1]]


def choose_batch_size(texts_per_s: Callable[[int], float], most: int) -> int:
    """Double from 1 as long as it makes the work faster by a twentieth at least.

    Args:
        texts_per_s: measures a batch size; raises MemoryError where it is too large.
        most: the largest batch size to try.
    """
    best, rate = 1, texts_per_s(1)
    while best * 2 <= most:
        try:
            next_rate = texts_per_s(best * 2)
        except MemoryError:
            break
        if next_rate < LEAST_GAIN * rate:
            break
        best, rate = best * 2, next_rate
    return best
