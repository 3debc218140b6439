"""HDBSCAN's hierarchy as a finder of near pairs."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.cleaning.clusters import NEIGHBOURS, near_pairs


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


def test_pairs_that_do_not_agree_are_left_out() -> None:
    vectors = np.ones((4, 2), dtype=np.float32) / np.float32(np.sqrt(2))
    wanted = {(0, 1), (2, 3)}

    def agree(pairs: np.ndarray) -> np.ndarray:
        return np.array([tuple(pair) in wanted for pair in pairs.tolist()], dtype=bool)

    assert {tuple(pair) for pair in near_pairs(vectors, np.eye(2), 0.9, agree).tolist()} == wanted


def test_each_vector_of_a_crowd_keeps_its_nearest() -> None:
    angles = np.linspace(0, 0.3, 60)
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    pairs = near_pairs(vectors, np.eye(2), 0.9)
    assert {(place, place + 1) for place in range(59)} <= {tuple(pair) for pair in pairs.tolist()}
    assert len(pairs) <= 60 * NEIGHBOURS
