"""The dual form against scikit-learn's."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from sklearn.linear_model import Ridge

from actors.domain_classifier.ridge import fit_ridge


def test_equal_classes_give_what_scikit_learn_gives() -> None:
    random = np.random.default_rng(2)
    labels = np.repeat([0, 1, 2], 8)
    points = random.normal(size=(24, 60)) * (random.random((24, 60)) < 0.3)
    weights, biases = fit_ridge(sparse.csr_matrix(points), labels, 0.7)
    targets = np.where(labels[:, None] == np.arange(3), 1.0, -1.0)
    theirs = Ridge(alpha=0.7, fit_intercept=False).fit(points, targets - targets.mean(axis=0))
    np.testing.assert_allclose(weights, theirs.coef_, atol=1e-8)
    np.testing.assert_allclose(biases, targets.mean(axis=0))


def test_classes_count_alike() -> None:
    """Twenty seeds of one class and two of the other, each at its place: what lies between belongs to neither."""
    points = sparse.csr_matrix(np.repeat(np.eye(2), [20, 2], axis=0))
    weights, biases = fit_ridge(points, np.repeat([0, 1], [20, 2]))
    scores = np.array([0.5, 0.5]) @ weights.T + biases
    assert abs(scores[0] - scores[1]) < 1e-9
