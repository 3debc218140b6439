"""The untrained intent network: a small encoder made for the data, or a pretrained one by name or folder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from actors.intent_model.artifact import IntentNetwork, ModelSettings
from actors.intent_model.characters import PAD, CharacterReader, character_tokenizer
from actors.networks.joint_bert import JointBert
from danlu.errors import InputError
from pipelines.understanding.config import SMALL, UnderstandConfig
from pipelines.understanding.utterances import Utterance

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_HIDDEN, _LAYERS, _HEADS = 128, 2, 4
# Tokenizers that know no limit say so with an astronomic number.
_NO_LIMIT = 100_000


def new_network(config: UnderstandConfig, training: Sequence[Utterance]) -> IntentNetwork:
    """A network for the intents, slots and (with the small encoder) characters of `training`. Seeded by the config.

    Raises:
        InputError: the encoder does not exist, or is none that this network can use.
    """
    torch.manual_seed(config.seed)
    encoder, tokenizer, max_tokens = _small(config, training) if config.encoder == SMALL else _named(config.encoder)
    settings = ModelSettings(
        encoder=encoder.config.to_dict(),
        intents=sorted({utterance.intent for utterance in training}),
        slots=sorted({name for utterance in training for name, _, _ in utterance.spans}),
        max_characters=config.max_characters,
        max_tokens=max_tokens,
        pad_id=getattr(encoder.config, "pad_token_id", None) or 0,
    )
    network = JointBert(encoder, len(settings.intents), settings.tags)
    reader = CharacterReader(tokenizer, settings.max_characters, settings.max_tokens, settings.pad_id)
    return IntentNetwork(settings, network, reader)


def _small(config: UnderstandConfig, training: Sequence[Utterance]) -> tuple[Any, Tokenizer, int]:
    from transformers import AutoModel, BertConfig

    tokenizer = character_tokenizer(utterance.text for utterance in training)
    # One token per character, two around them, and room for characters that normalise to several.
    max_tokens = 2 * config.max_characters
    bert = BertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=_HIDDEN,
        num_hidden_layers=_LAYERS,
        num_attention_heads=_HEADS,
        intermediate_size=4 * _HIDDEN,
        max_position_embeddings=max_tokens,
        pad_token_id=tokenizer.token_to_id(PAD),
    )
    return AutoModel.from_config(bert), tokenizer, max_tokens


def _named(name: str) -> tuple[Any, Tokenizer, int]:
    from transformers import AutoModel, AutoTokenizer

    try:
        # Checkpoints in half precision are trained and saved in full precision.
        encoder = AutoModel.from_pretrained(name, dtype=torch.float32)
        tokenizer = AutoTokenizer.from_pretrained(name)
    except (OSError, ValueError) as error:
        raise InputError(
            f"encoder is {name!r}",
            rule=f"transformers can't load it ({str(error).splitlines()[0]})",
            fix="give the name or folder of a Hugging Face encoder, or encoder=small",
        ) from None
    if not tokenizer.is_fast or not hasattr(encoder.config, "hidden_size") or encoder.config.is_encoder_decoder:
        raise InputError(f"encoder is {name!r}", rule="it needs a fast tokenizer and an encoder with one hidden size")
    limits = [tokenizer.model_max_length, getattr(encoder.config, "max_position_embeddings", _NO_LIMIT)]
    return encoder, tokenizer.backend_tokenizer, min(limits)
