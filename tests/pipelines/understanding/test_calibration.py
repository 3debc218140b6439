import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.understanding.calibration import acceptance, calibration_error, fit_temperature, probabilities


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_that_made_the_labels_is_found(temperature: float) -> None:
    draw = np.random.default_rng(0)
    logits = 4 * draw.normal(size=(20_000, 5))
    chances = probabilities(logits, temperature)
    right = (chances.cumsum(axis=1) > draw.random((len(logits), 1))).argmax(axis=1)
    assert fit_temperature(logits, right) == pytest.approx(temperature, rel=0.06)
    calibrated = probabilities(logits, fit_temperature(logits, right))
    assert calibration_error(calibrated.max(1).tolist(), (calibrated.argmax(1) == right).tolist()) < 0.02


@given(st.floats(0.1, 10), st.lists(st.floats(-50, 50), min_size=2, max_size=5))
def test_probabilities_sum_to_one_and_keep_the_order(temperature: float, row: list[float]) -> None:
    chances = probabilities(np.array([row]), temperature)[0]
    assert chances.sum() == pytest.approx(1.0)
    assert chances[int(np.argmax(row))] == chances.max()


def test_great_logits_do_not_overflow() -> None:
    assert probabilities(np.array([[1e4, -1e4]]), 1.0).tolist() == [[1.0, 0.0]]


def test_calibration_error_by_hand() -> None:
    # Bin 0.9..1.0: mean confidence 0.95, accuracy 0.5; bin 0.6..0.7: confidence 0.65, accuracy 1.
    assert calibration_error([0.95, 0.95, 0.65, 0.65], [True, False, True, True]) == pytest.approx((0.9 + 0.7) / 4)
    assert calibration_error([1.0, 1.0], [True, True]) == 0.0


def test_acceptance_by_hand() -> None:
    confidence, right = [0.9, 0.8, 0.4, 0.3], [True, False, True, False]
    assert acceptance(confidence, right, 0.5) == (0.5, 0.5)
    assert acceptance(confidence, right, 0.85) == (0.25, 1.0)
    assert acceptance(confidence, right, 0.95) == (0.0, 1.0)
