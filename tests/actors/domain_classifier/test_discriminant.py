"""The closed form against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from actors.domain_classifier.discriminant import fit_discriminant


@pytest.mark.parametrize("shrinkage", [0.1, 0.3, 0.9])
def test_scores_differ_by_the_same_for_all_classes(shrinkage: float) -> None:
    """Between classes only differences of scores count, and scikit-learn's differ by nothing else."""
    random = np.random.default_rng(1)
    labels = np.repeat([0, 1, 2], 10)
    points = random.normal(size=(30, 12)) + random.normal(size=(3, 12))[labels]
    weights, biases = fit_discriminant(points, labels, shrinkage)
    theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage, priors=[1 / 3] * 3).fit(points, labels)
    gap = points @ weights.T + biases - theirs.decision_function(points)
    np.testing.assert_allclose(gap, np.repeat(gap[:, :1], 3, axis=1), atol=1e-8)


def test_more_seeds_of_a_class_do_not_make_it_likelier() -> None:
    points = np.array([[1.0, 0.2], [1.0, -0.2], [-1.0, 0.2], [-1.0, -0.2]] + [[-1.0, 0.2], [-1.0, -0.2]] * 10)
    weights, biases = fit_discriminant(points, np.array([0, 0] + [1] * 22))
    left, right = np.array([0.0, 0.0]) @ weights.T + biases
    assert left == pytest.approx(right)
