"""The keys of `danlu clean`."""

from __future__ import annotations

import pytest

from danlu.config import load_config
from danlu.errors import ConfigError
from pipelines.cleaning.config import CleanConfig

REQUIRED = ["input=raw", "output=run"]


def test_input_and_output_are_enough() -> None:
    config = load_config(CleanConfig, None, REQUIRED)
    assert config.filters is not None
    assert config.near is not None
    assert config.domain is None


@pytest.mark.parametrize("stage", ["normalise", "filters", "exact", "near", "semantic"])
def test_every_stage_can_be_switched_off(stage: str) -> None:
    assert getattr(load_config(CleanConfig, None, [*REQUIRED, f"{stage}=null"]), stage) is None


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("filters.min_charcters=3", "did you mean min_characters"),
        ("filters.min_characters=300000", "filters.max_characters"),
        ("near.similarity=0.3", "near.sketch_similarity"),
        ("near.certain=0.4", "near.certain"),
        ("filters.languages=[fr]", "filters.languages"),
        ("filters.languages=[]", "filters.languages"),
        ("near.similarity=1.5", "near.similarity"),
        ("workers=0", "workers"),
        ("domain.seeds=", "domain.seeds"),
    ],
)
def test_a_wrong_value_names_its_key(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(CleanConfig, None, [*REQUIRED, override])
