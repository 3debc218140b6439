"""Connected components. Pure."""

from __future__ import annotations

import numpy as np


def components(edges: np.ndarray) -> list[np.ndarray]:
    """The connected components of (n_edges, 2) numbers: ascending int64 numbers, ordered by their smallest."""
    numbers, ends = np.unique(edges, return_inverse=True)
    roots = _roots(len(numbers), ends.reshape(-1, 2))
    order = np.argsort(roots, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(roots[order])) + 1)
    return [numbers[group].astype(np.int64) for group in groups if len(group) > 1]


def _roots(count: int, ends: np.ndarray) -> np.ndarray:
    """For each of the numbers 0 to count - 1 the smallest one that edges lead to.

    All edges hook the greater root to the smaller one at once, and then all paths are shortened: a few rounds, after
    Shiloach and Vishkin, "An O(log n) parallel connectivity algorithm", 1982.
    """
    roots = np.arange(count)
    while len(ends):
        np.minimum.at(roots, ends.max(axis=1), ends.min(axis=1))
        while (roots != roots[roots]).any():
            roots = roots[roots]
        ends = roots[ends]
        ends = ends[ends[:, 0] != ends[:, 1]]
    return roots
