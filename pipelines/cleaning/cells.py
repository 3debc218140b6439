"""Cells of neighbouring vectors, so that clustering costs the same for each cell however large the corpus is. Pure.

Two-level k-means: the square root of the number of cells at the top, the rest below, so that finding a vector's cell
takes two short comparisons. Flat k-means with a number of cells that grows with the corpus would be quadratic.
Each vector goes into its two nearest cells, so that near pairs across a border still meet.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator

import numpy as np
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

_FIT_VECTORS = 20_000
_BLOCK = 16_384


def plan_cells(vectors: np.ndarray, most: int, seed: int) -> list[np.ndarray]:
    """Members of each cell: ascending numbers, at most `most`; every vector is in one or two cells.

    Args:
        vectors: (n, dim) float32.
    """
    if len(vectors) <= most:
        return [np.arange(len(vectors))]
    wanted = math.ceil(4 * len(vectors) / most)  # twice each vector, and room for uneven cells
    tops = _centres(vectors, math.ceil(math.sqrt(wanted)), seed)
    nearest_tops = _nearest(vectors, tops, 2)
    below = math.ceil(wanted / len(tops))
    leaves = [_centres(vectors[nearest_tops[:, 0] == top], below, seed) for top in range(len(tops))]
    starts = np.cumsum([0, *map(len, leaves)])
    members: list[list[np.ndarray]] = [[] for _ in range(starts[-1])]
    for numbers, cells in _assign(vectors, nearest_tops, leaves, starts):
        for cell in np.unique(cells):
            members[cell].append(numbers[(cells == cell).any(axis=1)])
    whole = [np.sort(np.concatenate(parts)) for parts in members if parts]
    return [part for cell in whole for part in _split(vectors, cell, most, seed)]


def _assign(
    vectors: np.ndarray, nearest_tops: np.ndarray, leaves: list[np.ndarray], starts: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(numbers, (n, 2) cells) for each pair of top cells that some vectors are nearest to."""
    pairs, place = np.unique(np.sort(nearest_tops, axis=1), axis=0, return_inverse=True)
    for number, tops in enumerate(pairs):
        numbers = np.flatnonzero(place == number)
        centres = np.concatenate([leaves[top] for top in np.unique(tops)])
        cells = np.concatenate([np.arange(starts[top], starts[top + 1]) for top in np.unique(tops)])
        yield numbers, cells[_nearest(vectors[numbers], centres, 2)]


def _centres(vectors: np.ndarray, count: int, seed: int) -> np.ndarray:
    """(count, dim) centres, fewer when there are fewer vectors."""
    if len(vectors) > _FIT_VECTORS:
        chosen = np.random.default_rng(seed).choice(len(vectors), _FIT_VECTORS, replace=False)
        vectors = vectors[np.sort(chosen)]
    count = min(count, len(vectors))
    if not count:
        return vectors
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # equal vectors make fewer centres, which is fine
        return KMeans(count, n_init=1, max_iter=20, random_state=seed).fit(vectors).cluster_centers_


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
    """A cell that is too large in two, again and again; vectors that can't be told apart are cut by number."""
    if len(cell) <= most:
        return [cell]
    near = _nearest(vectors[cell], _centres(vectors[cell], 2, seed), 1)[:, 0]
    if not 0 < near.sum() < len(cell):
        near = (np.arange(len(cell)) >= len(cell) // 2).astype(np.int64)
    halves = cell[near == 0], cell[near == 1]
    return [part for half in halves for part in _split(vectors, half, most, seed)]
