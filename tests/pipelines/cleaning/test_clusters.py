"""HDBSCAN's hierarchy as a finder of near pairs."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.cleaning.clusters import near_pairs


def _unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("reduced", [4, 16])
def test_exactly_the_pairs_above_the_similarity_are_found(reduced: int) -> None:
    """However few components the clustering sees, no near pair may be lost."""
    random = np.random.default_rng(0)
    base = _unit(random.normal(size=(120, 16)))
    vectors = np.concatenate([base, _unit(base[:40] + random.normal(scale=0.1, size=(40, 16)))])
    components = np.linalg.svd(vectors - vectors.mean(axis=0), full_matrices=False)[2][:reduced]
    left, right = np.nonzero(np.triu(vectors @ vectors.T >= 0.9, 1))
    wanted = set(zip(left.tolist(), right.tolist(), strict=True))
    assert len(wanted) > 20
    assert {tuple(pair) for pair in near_pairs(vectors, components, 0.9).tolist()} == wanted


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_vectors_have_no_pairs(count: int) -> None:
    assert near_pairs(np.ones((count, 4), dtype=np.float32), np.eye(4), 0.5).shape == (0, 2)
