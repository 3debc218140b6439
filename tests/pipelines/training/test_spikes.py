"""A loss is judged by the ones before it, alike on all workers and after a restart."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.training.spikes import LEAST, SKIPS_IN_A_ROW, WINDOW, SpikeWatch, culprits, shorten


def watch(on_spike="skip", losses=(2.0, 2.1, 1.9, 2.05) * 8) -> SpikeWatch:
    made = SpikeWatch(on_spike)
    made.recall(losses, 0)
    return made


def test_a_spike_is_skipped_and_not_learnt_from() -> None:
    spikes = watch()
    limit = spikes.limit
    assert limit is not None and 2.4 <= limit < 3.5
    assert [spikes.judge(loss) for loss in (2.2, limit + 0.1, 9.0, 2.0)] == ["take", "skip", "skip", "take"]
    assert spikes.limit == pytest.approx(limit, abs=0.1)


def test_what_is_no_number_is_never_taken() -> None:
    for loss in (math.nan, math.inf, -math.inf):
        assert [SpikeWatch(mode).judge(loss) for mode in ("skip", "stop", "ignore")] == ["skip", "stop", "stop"]


def test_a_spike_stops_or_is_ignored_as_asked() -> None:
    assert watch("stop").judge(9.0) == "stop"
    assert watch("ignore").judge(9.0) == "take"


def test_too_many_skips_in_a_row_stop_the_run() -> None:
    spikes = watch()
    assert [spikes.judge(9.0) for _ in range(SKIPS_IN_A_ROW + 1)] == ["skip"] * SKIPS_IN_A_ROW + ["stop"]
    assert "for the 6th step in a row" in spikes.describe(9.0)
    spikes = watch()
    for _ in range(3):
        assert [spikes.judge(9.0) for _ in range(SKIPS_IN_A_ROW)] == ["skip"] * SKIPS_IN_A_ROW
        assert spikes.judge(2.0) == "take"


def test_the_first_steps_have_no_spikes() -> None:
    spikes = SpikeWatch("stop")
    assert [spikes.judge(loss) for loss in [9.0, 1.0] * (LEAST // 2)] == ["take"] * LEAST


@given(st.floats(1, 11), st.lists(st.floats(-0.19, 0.19), min_size=30, max_size=80))
def test_ordinary_noise_and_falling_losses_are_taken(start: float, noise: list[float]) -> None:
    """A loss within a fifth of the median is never a spike, and neither is one that falls."""
    spikes = SpikeWatch("stop")
    for step, part in enumerate(noise):
        assert spikes.judge(start * (1 + part * 0.09) * math.exp(-step / 100)) == "take"


@given(st.lists(st.floats(0.1, 20) | st.just(math.nan), min_size=1, max_size=150), st.integers(0, 149))
def test_a_restarted_run_judges_like_one_that_was_not(losses: list[float], cut: int) -> None:
    straight, before = SpikeWatch("skip"), SpikeWatch("skip")
    verdicts = [straight.judge(loss) for loss in losses]
    cut = min(cut, len(losses))
    taken, row = [], 0
    for loss in losses[:cut]:
        verdict = before.judge(loss)
        taken += [loss] * (verdict == "take")
        row = 0 if verdict == "take" else row + 1
    resumed = SpikeWatch("skip")
    resumed.recall(taken[-WINDOW:], row)
    assert [resumed.judge(loss) for loss in losses[cut:]] == verdicts[cut:]


def test_the_replica_at_fault_is_found() -> None:
    assert culprits([(0, 1.0), (1, 7.0), (2, 1.1)]) == [1]
    assert culprits([(0, 3.0), (0, 4.0), (1, 5.0)]) == [0]
    assert culprits([(0, math.nan), (1, 7.0), (2, math.inf)]) == [0, 2]


def test_long_lists_are_shortened() -> None:
    assert shorten(["a", "b"]) == "a, b"
    assert shorten(list("abcdefgh")) == "a, b, c, d, e, f and 2 more"
