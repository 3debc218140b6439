"""Pairs of near vectors within a cell: HDBSCAN's hierarchy proposes, the cosine decides. Pure.

An HDBSCAN cluster is no set of duplicates (it clusters topics as gladly), so its hierarchy is cut at the distance that
no pair of duplicates exceeds, and every pair of a group is verified. Campello et al., "Density-based clustering based
on hierarchical density estimates", 2013.
"""

from __future__ import annotations

import math

import numpy as np

NEIGHBOURS = 20
_BLOCK = 1024


def near_pairs(vectors: np.ndarray, components: np.ndarray, similarity: float) -> np.ndarray:
    """Nearest neighbours with a cosine of at least `similarity`: (n_pairs, 2) places, the smaller first.

    Args:
        vectors: (n, dim) float32, unit norm.
        components: (reduced, dim) orthonormal rows: the principal components that the clustering sees. A projection
            only shortens distances, so no pair is lost by it.
    """
    groups = candidate_groups(vectors @ components.T, similarity)
    pairs = [group[_pairs_within(vectors[group], similarity)] for group in groups]
    return np.concatenate([np.zeros((0, 2), dtype=np.int64), *pairs])


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


def _pairs_within(vectors: np.ndarray, similarity: float) -> np.ndarray:
    """Each vector with its nearest ones above `similarity`, at most `NEIGHBOURS`: a topic has pairs by the square."""
    found = [np.zeros((0, 2), dtype=np.int64)]
    for start in range(0, len(vectors), _BLOCK):
        cosines = vectors[start : start + _BLOCK] @ vectors.T
        rows = np.arange(len(cosines))
        cosines[rows, start + rows] = -1  # not with itself
        count = min(NEIGHBOURS, len(vectors) - 1)
        nearest = np.argpartition(-cosines, count - 1, axis=1)[:, :count]
        near = np.take_along_axis(cosines, nearest, axis=1) >= similarity
        found.append(np.stack([np.repeat(start + rows, near.sum(axis=1)), nearest[near]], axis=1))
    pairs = np.sort(np.concatenate(found), axis=1)
    joined = np.unique(pairs[:, 0] * len(vectors) + pairs[:, 1])  # one number for a pair sorts ten times faster
    return np.stack(np.divmod(joined, len(vectors)), axis=1)
