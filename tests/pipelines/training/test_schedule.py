"""The learning rate: up to the peak, down to its final share, never outside."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.training.config import OptimizerSettings
from pipelines.training.schedule import learning_rate


@given(
    steps=st.integers(1, 300),
    warmup=st.integers(0, 50),
    final=st.floats(0, 1),
    schedule=st.sampled_from(["cosine", "constant"]),
)
def test_it_rises_to_the_peak_and_falls_from_it(steps: int, warmup: int, final: float, schedule) -> None:
    settings = OptimizerSettings(learning_rate=3.0, warmup_steps=warmup, final_share=final, schedule=schedule)
    rates = [learning_rate(step, steps, settings) for step in range(steps)]
    peak = min(warmup, steps)
    assert all(0 <= rate <= 3.0 + 1e-9 for rate in rates)
    assert all(a <= b + 1e-9 for a, b in pairwise(rates[:peak]))
    assert all(a >= b - 1e-9 for a, b in pairwise(rates[peak:]))
    assert all(rate >= 3.0 * final - 1e-9 for rate in rates[peak:])


def test_known_points_of_the_cosine() -> None:
    settings = OptimizerSettings(learning_rate=1.0, warmup_steps=10, final_share=0.2)
    found = [learning_rate(step, 110, settings) for step in (0, 9, 10, 60, 110)]
    assert found == pytest.approx([0.1, 1.0, 1.0, 0.6, 0.2])
