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
    assert config.pii is None
    assert config.decontaminate is None
    assert config.order == ["pii", "filters", "decontaminate"]


@pytest.mark.parametrize("stage", ["normalise", "pii", "filters", "decontaminate", "exact", "near", "semantic"])
def test_every_stage_can_be_switched_off(stage: str) -> None:
    assert getattr(load_config(CleanConfig, None, [*REQUIRED, f"{stage}=null"]), stage) is None


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("filters.min_charcters=3", "did you mean filters.min_characters"),
        ("filters.min_characters=300000", "filters.max_characters"),
        ("near.similarity=0.3", "near.sketch_similarity"),
        ("near.certain=0.4", "near.certain"),
        ("filters.languages=[fr]", "filters.languages"),
        ("filters.languages=[]", "filters.languages"),
        ("near.similarity=1.5", "near.similarity"),
        ("workers=0", "workers"),
        ("pii.kinds=[phone]", "pii.kinds"),
        ("pii.kinds=[]", "pii.kinds"),
        ("pii={action: drop, max_matches: 3}", r"pii\.max_matches is 3 and pii\.action is drop"),
        ("filters.min_quality=2", "filters.min_quality"),
        ("decontaminate.overlap=0.5", "missing key decontaminate.against"),
        ("decontaminate={against: a.jsonl, overlap: 0}", "decontaminate.overlap"),
        ("decontaminate={against: a.jsonl, grams: 20}", r"min_characters is 13, less than decontaminate\.grams 20"),
        ("order=[filters, pii]", "order is .* each of pii, filters, decontaminate once"),
        ("order=[filters, pii, pii]", "each of pii, filters, decontaminate once"),
        ("order=[filters, pii, exact]", "order"),
        ("domain.seeds=", "domain.seeds"),
        ("embedder.backend=openvino", r"embedder\.backend is openvino, for which embedder\.model must name a model"),
        ("embedder={model: m, backend: onnx, device: cuda}", r"computes on the CPU, and embedder\.device is cuda"),
    ],
)
def test_a_wrong_value_names_its_key(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(CleanConfig, None, [*REQUIRED, override])
