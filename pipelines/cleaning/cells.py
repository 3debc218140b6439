"""Cells of neighbouring vectors, so that clustering costs the same for each cell however large the corpus is. Pure.

Two-level k-means: the square root of the number of cells at the top, the rest below, so that finding a vector's cell
takes two short comparisons. Flat k-means with a number of cells that grows with the corpus would be quadratic.
Each vector goes into its nearest cells, so that near pairs across a border still meet.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import numpy as np

_BLOCK = 16_384
# How many cells each vector goes into, found among the leaves of so many tops. Of planted pairs at cosine 0.77 among
# 40,000 vectors 98% meet; with two of each it were 87% for half the time (`python -m benchmarks cleaning.semantic`).
_CELLS, _TOPS = 4, 4


@dataclass(frozen=True)
class Cells:
    """Centres of cells.

    tops: (n_tops, dim). leaves: for each top (n_leaves, dim) centres of its cells; cells are numbered through.
    """

    tops: np.ndarray
    leaves: tuple[np.ndarray, ...]

    def __len__(self) -> int:
        return sum(map(len, self.leaves))

    def assign(self, vectors: np.ndarray) -> np.ndarray:
        """(n, 4) int64 cells of (n, dim) vectors, the nearest first; the last one repeats where there are fewer."""
        found = np.zeros((len(vectors), _CELLS), dtype=np.int64)
        starts = np.cumsum([0, *map(len, self.leaves)])
        nearest_tops = np.sort(_nearest(vectors, self.tops, _TOPS), axis=1)
        pairs, place = np.unique(nearest_tops, axis=0, return_inverse=True)
        for number, tops in enumerate(pairs):
            rows = np.flatnonzero(place.ravel() == number)
            centres = np.concatenate([self.leaves[top] for top in np.unique(tops)])
            cells = np.concatenate([np.arange(starts[top], starts[top + 1]) for top in np.unique(tops)])
            found[rows] = cells[_nearest(vectors[rows], centres, _CELLS)]
        return found


def plan_cells(sample: np.ndarray, vectors: int, most: int, seed: int) -> Cells:
    """Cells for a corpus of so many `vectors` that one holds `most` of them at most, unless they lie unevenly.

    Args:
        sample: (n, dim) float32: vectors of the corpus, in an order that depends on nothing but them.
    """
    if vectors <= most or len(sample) < 2:
        centre = np.zeros((1, sample.shape[1]), dtype=np.float32)
        return Cells(centre, (centre,))
    wanted = math.ceil(2 * _CELLS * vectors / most)  # each vector so often, and room for uneven cells
    tops = _centres(sample, math.ceil(math.sqrt(wanted)), seed)
    below = math.ceil(wanted / len(tops))
    nearest = _nearest(sample, tops, 1)[:, 0]
    leaves = [_centres(sample[nearest == top], below, seed) for top in range(len(tops))]
    return Cells(tops, tuple(leaf if len(leaf) else tops[top : top + 1] for top, leaf in enumerate(leaves)))


def split_cell(vectors: np.ndarray, most: int, seed: int) -> list[np.ndarray]:
    """The places of (n, dim) vectors of one cell, in parts of at most `most`: in two, again and again."""
    return _split(vectors, np.arange(len(vectors)), most, seed)


def _centres(vectors: np.ndarray, count: int, seed: int) -> np.ndarray:
    """(count, dim) centres, fewer when there are fewer vectors."""
    count = min(count, len(vectors))
    if not count:
        return vectors
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # equal vectors make fewer centres, which is fine
        return KMeans(count, n_init=1, max_iter=10, random_state=seed).fit(vectors).cluster_centers_


def _nearest(vectors: np.ndarray, centres: np.ndarray, count: int) -> np.ndarray:
    """(n, count) nearest centres, the nearest first; with fewer centres the last one repeats."""
    count_here = min(count, len(centres))
    found = np.empty((len(vectors), count), dtype=np.int64)
    squares = (centres**2).sum(axis=1)
    for start in range(0, len(vectors), _BLOCK):
        distances = squares - 2 * vectors[start : start + _BLOCK] @ centres.T
        order = np.argsort(distances, axis=1, kind="stable")[:, :count_here]
        found[start : start + _BLOCK, :count_here] = order
        found[start : start + _BLOCK, count_here:] = order[:, -1:]
    return found


def _split(vectors: np.ndarray, cell: np.ndarray, most: int, seed: int) -> list[np.ndarray]:
    """Vectors that can't be told apart are cut by place."""
    if len(cell) <= most:
        return [cell]
    near = _nearest(vectors[cell], _centres(vectors[cell], 2, seed), 1)[:, 0]
    if not 0 < near.sum() < len(cell):
        near = (np.arange(len(cell)) >= len(cell) // 2).astype(np.int64)
    halves = cell[near == 0], cell[near == 1]
    return [part for half in halves for part in _split(vectors, half, most, seed)]
