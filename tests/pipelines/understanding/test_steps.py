import pytest
import torch

from danlu.errors import NotAvailableError
from pipelines.understanding.config import UnderstandConfig
from pipelines.understanding.encoders import new_network
from pipelines.understanding.job import read_parts
from pipelines.understanding.steps import calibrate, choose_device
from pipelines.understanding.utterances import Utterance


def test_a_missing_device_is_named() -> None:
    if torch.cuda.is_available():
        assert choose_device("auto") == choose_device("cuda") == "cuda"
        return
    assert choose_device("auto") == "cpu"
    with pytest.raises(NotAvailableError, match="device is 'cuda'"):
        choose_device("cuda")


def test_calibration_changes_the_temperature_alone(tiny_config: UnderstandConfig) -> None:
    training, validation = read_parts(tiny_config)
    model = new_network(tiny_config, training)
    with torch.no_grad():
        model.network.intent_head.weight.mul_(100)  # far too sure of itself
    calibrated = calibrate(model, validation)
    assert calibrated.settings.temperature > 2
    assert calibrated.settings.model_copy(update={"temperature": 1.0}) == model.settings


def test_calibration_passes_over_intents_that_the_model_does_not_know(tiny_config: UnderstandConfig) -> None:
    training, validation = read_parts(tiny_config)
    model = new_network(tiny_config, training)
    strange = [Utterance("查天气", "weather", (), "")]
    assert calibrate(model, [*validation, *strange]).settings == calibrate(model, validation).settings
