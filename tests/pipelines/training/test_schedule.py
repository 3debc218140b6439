"""The learning rate: up to the peak, down to its final share, never outside."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from danlu.config import to_yaml, validate
from danlu.errors import ConfigError
from pipelines.training.config import TrainConfig
from pipelines.training.schedule import learning_rate
from pipelines.training.settings import OptimizerSettings


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


@pytest.mark.parametrize(
    ("optimizer", "rule"),
    [
        ({"schedule": "constant", "final_share": 0.3}, r"optimizer\.final_share is 0\.3 and optimizer\.schedule is"),
        ({"warmup_steps": 11}, r"optimizer\.warmup_steps is 11 and steps is 10"),
    ],
)
def test_what_has_no_effect_is_refused(optimizer: dict[str, Any], rule: str) -> None:
    with pytest.raises(ConfigError, match=rule):
        validate(TrainConfig, {"input": "x", "output": "y", "steps": 10, "optimizer": optimizer})


@given(steps=st.integers(1, 30), schedule=st.sampled_from(["constant", "cosine"]), warmup=st.none() | st.just(1))
def test_a_resolved_schedule_is_read_back(steps: int, schedule: str, warmup: int | None) -> None:
    optimizer = {"schedule": schedule, "warmup_steps": warmup}
    made = validate(TrainConfig, {"input": "x", "output": "y", "steps": steps, "optimizer": optimizer}).resolved()
    assert validate(TrainConfig, yaml.safe_load(to_yaml(made))) == made
