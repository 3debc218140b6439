"""The order of whole gradients, bits and renewed moments."""

from __future__ import annotations

import math

import pytest

from pipelines.training.compression.clipping import clip_coefficient, renewed_ratio
from pipelines.training.compression.phases import Phases, Progress


def test_whole_gradients_first_then_bits_with_a_refresh_at_once_and_at_intervals() -> None:
    phases, done, seen = Phases(warmup_steps=2, refresh_every=3), Progress(), ""
    for _ in range(9):
        seen += "d" if phases.is_dense(done) else "r" if phases.is_refresh(done) else "c"
        done = phases.after(done)
    assert seen == "ddrccrccr"
    assert done == Progress(dense=2, compressed=7) and done.steps == 9


def test_a_warm_up_that_is_over_stays_so_in_a_run_that_goes_on_with_a_longer_one() -> None:
    done = Progress(dense=2, compressed=1)
    assert not Phases(warmup_steps=9, refresh_every=3).is_dense(done)
    assert Phases(warmup_steps=9, refresh_every=3).is_dense(Progress(dense=2))


def test_clipping_makes_the_norm_the_largest_allowed() -> None:
    assert clip_coefficient(0.5, 1.0) == 1.0
    assert clip_coefficient(4.0, 1.0) * 4.0 == pytest.approx(1.0, rel=1e-5)
    assert clip_coefficient(4.0, 0.0) == 1.0


def test_a_norm_that_is_not_finite_does_not_pass_for_a_step_of_length_0() -> None:
    assert clip_coefficient(math.inf, 1.0) == math.inf
    assert math.isnan(clip_coefficient(math.nan, 1.0))


def test_the_ratio_of_norms_is_learnt() -> None:
    ratio = 0.0
    for _ in range(100):
        ratio = renewed_ratio(ratio, norm=3.0, workers_norm=6.0)
    assert ratio == pytest.approx(0.5)
    assert renewed_ratio(0.5, norm=0.0, workers_norm=0.0) == 0.5
