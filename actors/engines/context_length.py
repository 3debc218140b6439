"""How many tokens a network reads, whatever its architecture calls that."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from actors.engines.model_files import read_json
from actors.networks.build import register_networks
from danlu.errors import InputError

log = logging.getLogger(__name__)

# What architectures call the length of their context.
_LENGTHS = ("max_position_embeddings", "max_seq_len", "seq_length", "max_sequence_length")
# Tokenizers write a number beyond this where they know of no limit.
_NO_LENGTH = 10**7
_UNTOLD_LENGTH = 2048


def with_context_length(folder: Path, config: dict[str, Any]) -> dict[str, Any]:
    """config.json with the context's length under its usual name; older architectures have names of their own.

    Networks that know no positions (states, distances) may say nothing: then the tokenizer may, or it is a guess.

    Raises:
        InputError: transformers does not know the network.
    """
    if config.get("max_position_embeddings") is not None:
        return config
    from transformers import AutoConfig

    register_networks()
    try:
        network = AutoConfig.from_pretrained(folder)
    except (ValueError, KeyError) as error:
        raise InputError(f"the config.json in {folder}", rule=str(error).splitlines()[0]) from None
    told = [getattr(network, name, None) for name in _LENGTHS]
    file = folder / "tokenizer_config.json"
    told.append(read_json(file).get("model_max_length") if file.is_file() else None)
    lengths = [length for length in told if isinstance(length, int) and 0 < length < _NO_LENGTH]
    if not lengths:
        log.warning("%s does not say how long its context is: %d tokens are taken", folder, _UNTOLD_LENGTH)
    return {**config, "max_position_embeddings": [*lengths, _UNTOLD_LENGTH][0]}
