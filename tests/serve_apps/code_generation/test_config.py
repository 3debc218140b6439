"""Settings of the application."""

from __future__ import annotations

import pytest

from danlu.config import validate
from danlu.errors import ConfigError
from serve_apps.code_generation import config


def test_defaults_work_without_a_model() -> None:
    settings = validate(config.CodeGenerationConfig, {})
    assert settings.model is None and settings.sandbox.minimum_level == "rlimits" and settings.repair_rounds == 2


def test_the_server_finds_the_settings_by_their_common_name() -> None:
    assert config.Settings is config.CodeGenerationConfig


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"repair_rounds": 3}, "repair_rounds"),
        ({"sandbox": {"minimum_level": "none"}}, "sandbox.minimum_level"),
        ({"max_candidate": 3}, "did you mean max_candidates"),
        ({"limits": {"seconds": 0.0}}, "limits.seconds"),
    ],
)
def test_wrong_settings_are_named(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        validate(config.CodeGenerationConfig, values)
