from __future__ import annotations

from typing import Any

import pytest

from danlu.config import load_config
from danlu.errors import ConfigError
from pipelines.compression.config import CompressConfig


def load(*overrides: str) -> CompressConfig:
    return load_config(CompressConfig, overrides=["input=in", "output=out", *overrides])


def test_the_limits_follow_from_the_kind_of_weights() -> None:
    int8, int4 = load().resolved(), load("weights=int4").resolved()
    assert (int8.max_perplexity_rise, int8.min_agreement, int8.group_size) == (0.02, 0.95, None)
    assert (int4.max_perplexity_rise, int4.min_agreement, int4.group_size) == (0.10, 0.80, 64)


def test_limits_that_are_given_stay() -> None:
    config = load("weights=int4", "group_size=32", "max_perplexity_rise=0", "min_agreement=0").resolved()
    assert (config.max_perplexity_rise, config.min_agreement, config.group_size) == (0.0, 0.0, 32)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("group_size=32", "group_size is 32 and weights is 'int8'"),
        ("calibration_input=a.jsonl", "calibration_input is 'a.jsonl' and weights is 'int8'"),
        ("weights=int5", "weights is 'int5'"),
        ("weight=int4", "did you mean weights"),
        ("threads=-1", "threads is -1"),
        ("quality_tokens=2", "quality_tokens is 2"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(override: str, message: Any) -> None:
    with pytest.raises(ConfigError, match=message):
        load(override)
