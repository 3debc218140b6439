"""Figures of held-out texts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import precision_recall_fscore_support

from actors.domain_classifier.held_out import HeldOut, calibration_error


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=40))
def test_figures_are_those_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    labels, predicted = (np.array(column) for column in zip(*pairs, strict=True))
    found = HeldOut.measure(np.eye(3)[predicted], labels, ["a", "b", "c"])
    expected = precision_recall_fscore_support(labels, predicted, labels=[0, 1, 2], zero_division=0)
    ours = [[getattr(one, name) for one in found.domains] for name in ("precision", "recall", "f1", "support")]
    np.testing.assert_allclose(ours, expected)
    assert found.macro_f1 == pytest.approx(expected[2].mean())
    assert found.accuracy == pytest.approx((labels == predicted).mean())


def test_scores_that_mean_what_they_say_have_no_error() -> None:
    scores = np.repeat([0.75, 0.25], 100)
    right = np.array([True] * 75 + [False] * 25 + [True] * 25 + [False] * 75)
    assert calibration_error(scores, right) == pytest.approx(0)
    assert calibration_error(np.full(200, 0.95), right) == pytest.approx(0.45)
    assert calibration_error(np.array([1.0]), np.array([True])) == 0
