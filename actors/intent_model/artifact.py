"""The `model/` folder of `danlu understand`: network, tokenizer, labels and calibration.

config.json         the encoder's Hugging Face config, intents, slots, limits, temperature
model.safetensors   all weights
tokenizer.json      the tokenizer (Hugging Face tokenizers)
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from actors.intent_model.spans import bio_tags
from danlu.config import Settings
from danlu.errors import InputError

if TYPE_CHECKING:
    from actors.intent_model.characters import CharacterReader
    from actors.networks.joint_bert import JointBert

CONFIG_FILE, WEIGHTS_FILE, TOKENIZER_FILE = "config.json", "model.safetensors", "tokenizer.json"


class ModelSettings(Settings):
    """`config.json`.

    Attributes:
        encoder: the encoder's Hugging Face config, `model_type` among its keys.
        temperature: intent logits are divided by it, so that probabilities say how often the model is right.
    """

    encoder: dict[str, Any]
    intents: list[str]
    slots: list[str]
    max_characters: int
    max_tokens: int
    pad_id: int
    temperature: float = 1.0

    @property
    def tags(self) -> list[str]:
        """The BIO tags, in the order of the slot head's outputs."""
        return bio_tags(self.slots)


@dataclass(frozen=True)
class IntentNetwork:
    """Everything that turns texts into intents and tags."""

    settings: ModelSettings
    network: JointBert
    reader: CharacterReader


def save_network(folder: Path, model: IntentNetwork) -> None:
    """Write `model` to `folder`. config.json comes last: a folder that has one is whole."""
    from safetensors.torch import save_model

    folder.mkdir(parents=True, exist_ok=True)
    save_model(model.network, str(folder / WEIGHTS_FILE))
    model.reader.tokenizer.save(str(folder / TOKENIZER_FILE))
    text = json.dumps(model.settings.model_dump(mode="json"), ensure_ascii=False, indent=2)
    (folder / CONFIG_FILE).write_text(text, encoding="utf-8")


def load_network(folder: Path) -> IntentNetwork:
    """The model in `folder`, in evaluation mode, on the CPU.

    Raises:
        InputError: a file is missing, or the folder holds something else.
    """
    from safetensors.torch import load_model
    from tokenizers import Tokenizer

    from actors.intent_model.characters import CharacterReader

    settings = read_settings(folder)
    network = build_network(settings)
    load_model(network, str(_require(folder, WEIGHTS_FILE)))
    tokenizer = Tokenizer.from_file(str(_require(folder, TOKENIZER_FILE)))
    reader = CharacterReader(tokenizer, settings.max_characters, settings.max_tokens, settings.pad_id)
    return IntentNetwork(settings, network.eval(), reader)


def build_network(settings: ModelSettings) -> JointBert:
    """The network that `settings` describe, with random weights."""
    import torch
    from transformers import AutoConfig, AutoModel

    from actors.networks.joint_bert import JointBert

    config = AutoConfig.for_model(**settings.encoder)
    return JointBert(AutoModel.from_config(config, dtype=torch.float32), len(settings.intents), settings.tags)


def read_settings(folder: Path) -> ModelSettings:
    """config.json of an intent model; InputError when it is missing or is another kind of model's."""
    try:
        return ModelSettings.model_validate_json(_require(folder, CONFIG_FILE).read_text(encoding="utf-8"))
    except ValidationError as error:
        keys = ", ".join(sorted({str(detail["loc"][0]) for detail in error.errors() if detail["loc"]}))
        raise InputError(
            f"{folder} holds no intent model",
            rule=f"{CONFIG_FILE} is not one that `danlu understand` wrote (keys {keys})",
            fix="give the run directory of `danlu understand`, or its model/ folder",
        ) from None


def _require(folder: Path, name: str) -> Path:
    file = folder / name
    if not file.is_file():
        raise InputError(
            f"{folder} holds no intent model",
            rule=f"{name} is missing",
            fix="give the run directory of a finished `danlu understand`",
        )
    return file
