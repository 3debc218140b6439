import pytest

from danlu.config import load_config, validate
from danlu.errors import ConfigError
from pipelines.understanding.config import UnderstandConfig

NEEDED = {"input": "a.jsonl", "output": "runs/a"}


def test_input_and_output_suffice() -> None:
    config = validate(UnderstandConfig, dict(NEEDED))
    assert config.encoder == "small" and config.validation_input is None


@pytest.mark.parametrize(("encoder", "rate"), [("small", 1e-3), ("bert-base-chinese", 1e-4)])
def test_the_encoders_learning_rate_is_derived(encoder: str, rate: float) -> None:
    config = validate(UnderstandConfig, {**NEEDED, "encoder": encoder})
    assert config.learning_rates.encoder is None
    assert config.resolved().learning_rates.encoder == rate
    assert config.resolved().resolved() == config.resolved()


def test_a_given_learning_rate_stays() -> None:
    config = load_config(UnderstandConfig, None, ["input=a", "output=b", "learning_rates.encoder=0.002"])
    assert config.resolved().learning_rates.encoder == 0.002


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("validation_share", 1.0, "validation_share is 1.0"),
        ("epochs", 0, "epochs is 0"),
        ("minimum_slot_f1", 90, "minimum_slot_f1 is 90"),
        ("device", "tpu", "device is 'tpu'"),
        ("epoch", 3, "did you mean epochs"),
    ],
)
def test_wrong_values_are_named(key: str, value: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        validate(UnderstandConfig, {**NEEDED, key: value})


def test_patience_must_be_able_to_run_out() -> None:
    with pytest.raises(ConfigError, match="patience is 15, which 15 epochs never use up"):
        validate(UnderstandConfig, {**NEEDED, "patience": 15, "epochs": 15})


@pytest.mark.parametrize(("utterances", "epochs"), [(100, 40), (560, 40), (4_400, 14), (13_084, 8), (1, 40)])
def test_epochs_follow_from_the_data(utterances: int, epochs: int) -> None:
    assert validate(UnderstandConfig, dict(NEEDED)).with_epochs(utterances).epochs == epochs
    assert validate(UnderstandConfig, {**NEEDED, "epochs": 3}).with_epochs(utterances).epochs == 3
