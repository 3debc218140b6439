from __future__ import annotations

import pickle
from dataclasses import replace

import pytest

from actors.engines.protocol import LEAST_TEMPERATURE, LEAST_TOP_P, SamplingParams


@pytest.mark.parametrize("tiny", [5e-324, 1e-50, 1e-38, 9.9e-6])
def test_a_temperature_next_to_zero_is_greedy_however_it_comes(tiny: float) -> None:
    sampling = SamplingParams(temperature=tiny)
    assert sampling.temperature == 0
    assert sampling == replace(SamplingParams(), temperature=tiny) == pickle.loads(pickle.dumps(sampling))


def test_all_other_settings_stay() -> None:
    for temperature in (0.0, LEAST_TEMPERATURE, 1.0, -1.0):
        assert SamplingParams(temperature=temperature).temperature == temperature
    for top_p in (0.0, LEAST_TOP_P, 0.5, 1.0, -1.0):
        assert SamplingParams(top_p=top_p).top_p == top_p


def test_a_share_next_to_zero_is_one_that_float32_has() -> None:
    assert SamplingParams(top_p=1e-50).top_p == LEAST_TOP_P
