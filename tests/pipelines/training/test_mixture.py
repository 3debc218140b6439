"""Turns of a mixture: always within one sequence of the weights, known at any position without a history."""

from __future__ import annotations

import io
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu.config import validate
from danlu.errors import ConfigError
from danlu.progress import Progress
from pipelines.training import job
from pipelines.training.config import TrainConfig
from pipelines.training.mixture import Rotation, group_of, whole_parts

parts_lists = st.lists(st.integers(0, 40), min_size=1, max_size=7).filter(any)


@given(parts=parts_lists)
def test_after_any_number_of_sequences_each_group_is_less_than_one_from_its_share(parts: list[int]) -> None:
    rotation = Rotation(parts)
    seen = np.zeros(len(parts), np.int64)
    for position in range(2 * rotation.period + 1):
        assert all(abs(seen[g] - Fraction(position * part, sum(parts))) < 1 for g, part in enumerate(parts))
        assert rotation.counts(position).tolist() == seen.tolist()
        group, earlier = rotation.turn(position)
        assert earlier == seen[group]
        seen[group] += 1


def test_shares_are_exact_after_each_period_however_far() -> None:
    rotation = Rotation(whole_parts([0.4, 0.2, 0.4]))
    assert rotation.period == 5
    assert rotation.counts(5 * 10**12).tolist() == [2 * 10**12, 10**12, 2 * 10**12]
    assert [rotation.turn(10**15 + i)[0] for i in range(5)] == [rotation.turn(i)[0] for i in range(5)]


@given(st.lists(st.integers(0, 300), min_size=1, max_size=6).filter(any), st.sampled_from([1, 10, 1000]))
def test_weights_become_the_smallest_whole_numbers_in_proportion(hundredths: list[int], scale: int) -> None:
    parts = whole_parts([number / scale for number in hundredths])
    assert [Fraction(part, sum(parts)) for part in parts] == [Fraction(n, sum(hundredths)) for n in hundredths]
    assert np.gcd.reduce(parts) == 1


def test_weights_that_no_rotation_meets_are_refused() -> None:
    with pytest.raises(ValueError, match="no weight of the mixture is above 0"):
        whole_parts([0.0, 0])
    with pytest.raises(ValueError, match=r"only after 1,000,000 sequences \(at most 100,000\)"):
        whole_parts([0.333333, 0.666667])


def test_a_domain_belongs_to_its_key_or_to_the_others() -> None:
    mixture = {"law": 0.3, "spam": 0, "*": 0.7}
    assert [group_of(name, mixture) for name in ("law", "spam", "art", "")] == [0, None, 2, 2]
    assert group_of("art", {"law": 1.0}) is None


def test_turns_are_spread_evenly() -> None:
    rotation = Rotation([1, 1, 2])
    first = Counter(rotation.turn(i)[0] for i in range(4))
    assert first == {0: 1, 1: 1, 2: 2}
    assert rotation.turn(0)[0] != rotation.turn(1)[0]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"mixture": {"law": -1.0}}, "mixture.law is -1.0: weights are 0 or more"),
        ({"mixture": {}}, "no weight of the mixture is above 0"),
        ({"input": {"a": "a/", "b": "b/"}}, "input has names and there is no mixture"),
        ({"input": {"a": "a/"}, "mixture": {"a": 1, "law": 1}}, "mixture.law names no input: they are a"),
        ({"input": {"a": "a/", "b": "b/"}, "mixture": {"a": 1}}, "input.b has no weight"),
    ],
)
def test_mixtures_that_mean_nothing_are_refused(values: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        validate(TrainConfig, {"input": "x", "output": "y"} | values)


def test_a_config_knows_the_parts_of_its_mixture() -> None:
    config = validate(TrainConfig, {"input": "x", "output": "y", "mixture": {"finance": 0.4, "law": 0.2, "*": 0.4}})
    assert config.mixture_parts == [2, 1, 2]
    assert validate(TrainConfig, {"input": "x", "output": "y"}).mixture_parts == [1]


def test_a_run_says_what_is_left_out_and_that_nothing_is_held_out() -> None:
    config = validate(TrainConfig, {"input": "a", "output": "b", "batch": {"length": 64}})
    said = io.StringIO()
    counts = Counter(nothing_to_learn=59, train_documents=1)
    job._tell_left_out(config, counts, Progress(said))
    assert "59 of 60 conversations are left out" in said.getvalue() and "batch.length=64" in said.getvalue()
    assert "nothing is held out for validation" in said.getvalue()
    silent = io.StringIO()
    job._tell_left_out(config, Counter(train_documents=5, validation_documents=1), Progress(silent))
    assert silent.getvalue() == ""
