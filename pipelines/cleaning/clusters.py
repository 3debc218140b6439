"""Pairs of near vectors within a cell: HDBSCAN's hierarchy proposes, the cosine decides. Pure.

An HDBSCAN cluster is no set of duplicates (it clusters topics as gladly), so its hierarchy is cut at the distance that
no pair of duplicates exceeds, and every pair of a group is verified. Campello et al., "Density-based clustering based
on hierarchical density estimates", 2013.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

NEIGHBOURS = 20
_BLOCK = 1024
_NO_PAIRS = np.zeros((0, 2), dtype=np.int64)
# (n_pairs, 2) places -> (n_pairs,) bool
Agree = Callable[[np.ndarray], np.ndarray]


def near_pairs(
    vectors: np.ndarray, components: np.ndarray, similarity: float, agree: Agree | None = None
) -> np.ndarray:
    """Nearest neighbours with a cosine of at least `similarity`: (n_pairs, 2) places, the smaller first.

    Vectors without such a neighbour are noise at the cut; to leave them out changes no group and spares the hierarchy,
    whose cost grows with the square, most of its work.

    Args:
        vectors: (n, dim) float32, unit norm.
        components: (reduced, dim) orthonormal rows: the principal components that the clustering sees. A projection
            only shortens distances, so no pair is lost by it.
        agree: tells which pairs may be duplicates for reasons other than their vectors; None for all.
    """
    pairs = _pairs_within(vectors, similarity, agree)
    is_linked = np.zeros(len(vectors), dtype=bool)
    is_linked[pairs] = True
    linked = np.flatnonzero(is_linked)
    group_of = np.full(len(vectors), -1)
    for number, group in enumerate(candidate_groups(vectors[linked] @ components.T, similarity)):
        group_of[linked[group]] = number
    a, b = group_of[pairs].T
    return pairs[(a == b) & (a >= 0)]


def candidate_groups(vectors: np.ndarray, similarity: float) -> list[np.ndarray]:
    """Groups of at least two that are joined at the distance of unit vectors with cosine `similarity`."""
    if len(vectors) < 2:
        return []
    import hdbscan

    # One neighbour is enough to be dense: then the reachability of two mutual neighbours is just their distance. Of the
    # library's algorithms Prim's takes less than half of the time of the others at these sizes (1,000 x 50).
    clusterer = hdbscan.HDBSCAN(min_cluster_size=2, min_samples=1, core_dist_n_jobs=1, algorithm="prims_kdtree")
    clusterer.fit(vectors.astype(np.float64))
    cut = math.sqrt(max(2 - 2 * similarity, 0.0)) + 1e-6
    labels = clusterer.single_linkage_tree_.get_clusters(cut, min_cluster_size=2)
    order = np.argsort(labels, kind="stable")
    starts = np.flatnonzero(np.diff(labels[order])) + 1
    return [np.sort(group) for group in np.split(order, starts) if labels[group[0]] >= 0]


def _pairs_within(vectors: np.ndarray, similarity: float, agree: Agree | None) -> np.ndarray:
    """Each vector with its nearest ones above `similarity`, at most `NEIGHBOURS`: a topic has pairs by the square."""
    found = [_NO_PAIRS]
    for start in range(0, len(vectors), _BLOCK):
        cosines = vectors[start : start + _BLOCK] @ vectors.T
        rows = np.arange(len(cosines))
        cosines[rows, start + rows] = -1  # not with itself
        near = cosines >= similarity
        crowded = np.flatnonzero(np.count_nonzero(near, axis=1) > NEIGHBOURS)
        if len(crowded):
            farther = np.argpartition(cosines[crowded], -NEIGHBOURS, axis=1)[:, :-NEIGHBOURS]
            near[crowded[:, None], farther] = False
        each, others = np.nonzero(near)
        found.append(np.stack([start + each, others], axis=1))
    a, b = np.concatenate(found).T
    joined = np.minimum(a, b) * len(vectors) + np.maximum(a, b)  # one number for a pair sorts ten times faster
    joined.sort()
    joined = joined[np.diff(joined, prepend=-1) > 0]
    pairs = np.stack(np.divmod(joined, max(len(vectors), 1)), axis=1)
    return pairs if agree is None else pairs[agree(pairs)]
