from __future__ import annotations

import numpy as np

from benchmarks.cleaning.semantic import cluster, share_found, synthetic_vectors
from pipelines.cleaning.config import SemanticConfig


def test_planted_pairs_are_near_and_others_are_not() -> None:
    vectors, planted = synthetic_vectors(600, seed=1)
    exact = vectors.astype(np.float32)
    cosines = exact @ exact.T
    assert len(planted) == 30
    assert len(np.unique(planted)) == 60
    assert cosines[planted[:, 0], planted[:, 1]].min() > 0.7
    cosines[planted[:, 0], planted[:, 1]] = cosines[planted[:, 1], planted[:, 0]] = 0
    np.fill_diagonal(cosines, 0)
    assert cosines.max() < 0.65


def test_the_stage_finds_the_planted_pairs() -> None:
    result = cluster(*synthetic_vectors(600, seed=2), SemanticConfig(cell_documents=200), seed=0)
    assert result.cells > 1
    assert result.recall > 0.9
    assert result.cpu_s > 0


def test_the_share_of_found_pairs() -> None:
    planted = np.array([[0, 3], [1, 2]])
    assert share_found(planted, np.array([[1, 2], [0, 4]]), 5) == 0.5
    assert share_found(planted, np.zeros((0, 2), dtype=np.int64), 5) == 0.0
