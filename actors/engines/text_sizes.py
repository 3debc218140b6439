"""How many tokens a network reads and knows, wherever its architecture says so."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from actors.engines.model_files import read_json
from actors.networks.build import register_networks
from danlu.errors import InputError

log = logging.getLogger(__name__)

# What architectures call the length of their context.
_LENGTHS = ("max_position_embeddings", "max_seq_len", "seq_length", "max_sequence_length", "max_target_positions")
# Tokenizers write a number beyond this where they know of no limit.
_NO_LENGTH = 10**7
_UNTOLD_LENGTH = 2048


def with_text_sizes(folder: Path, config: dict[str, Any]) -> dict[str, Any]:
    """config.json with the context's length and the vocabulary's size under their usual names.

    Older architectures have names of their own, and networks that also see or hear keep those of their language model
    in a part. Networks that know no positions (states, distances) may say nothing of a length: then the tokenizer may,
    or it is a guess.

    Raises:
        InputError: transformers does not know the network.
    """
    if config.get("max_position_embeddings") is not None and config.get("vocab_size") is not None:
        return config
    from huggingface_hub.errors import StrictDataclassError
    from transformers import AutoConfig

    register_networks()
    try:
        network = AutoConfig.from_pretrained(folder, trust_remote_code=False).get_text_config(decoder=True)
    except (OSError, ImportError, ValueError, KeyError, TypeError, AttributeError, StrictDataclassError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"the config.json in {folder}", rule=reason) from None
    sizes = {"max_position_embeddings": _length(folder, network), "vocab_size": getattr(network, "vocab_size", None)}
    return {**config, **{name: size for name, size in sizes.items() if config.get(name) is None}}


def _length(folder: Path, network: Any) -> Any:
    told = (getattr(network, name, None) for name in _LENGTHS)
    length = next((length for length in told if length not in (None, -1)), None)  # -1: XLNet's, without a limit
    if length is not None:
        return length  # and whether it can be one is looked at where it is used
    file = folder / "tokenizer_config.json"
    length = read_json(file).get("model_max_length") if file.is_file() else None
    if isinstance(length, int) and 0 < length < _NO_LENGTH:
        return length
    log.warning("%s does not say how long its context is: %d tokens are taken", folder, _UNTOLD_LENGTH)
    return _UNTOLD_LENGTH
