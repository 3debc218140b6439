"""Which networks the OpenVINO converter can rebuild, read from a checkpoint's config.json. Pure decisions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from danlu.errors import InputError, NotAvailableError

ARCHITECTURES = ("Qwen3ForCausalLM", "LlamaForCausalLM")
# Kinds of rotary embedding whose frequencies do not depend on the length of the sequence.
ROPE_TYPES = ("default", "linear", "llama3", "yarn")


@dataclass(frozen=True)
class Architecture:
    """The sizes of a dense decoder with rotary embeddings, grouped-query attention and a gated MLP."""

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_size: int
    rms_eps: float
    rope_type: str
    tied: bool  # the head shares the embedding's weights


def read_architecture(config: dict[str, Any]) -> Architecture:
    """The sizes of a supported network.

    Raises:
        NotAvailableError: names what the converter does not know.
        InputError: a size is missing.
    """
    _check_supported(config)
    try:
        heads = int(config["num_attention_heads"])
        return Architecture(
            layers=int(config["num_hidden_layers"]),
            hidden=int(config["hidden_size"]),
            heads=heads,
            kv_heads=int(config.get("num_key_value_heads") or heads),
            head_size=int(config.get("head_dim") or config["hidden_size"] // heads),
            rms_eps=float(config["rms_norm_eps"]),
            rope_type=rope_type(config),
            tied=bool(config.get("tie_word_embeddings", False)),
        )
    except KeyError as error:
        raise InputError("config.json", rule=f"the key {error.args[0]} is missing") from None


def rope_type(config: dict[str, Any]) -> str:
    """The kind of rotary embedding, whichever generation of transformers wrote the config."""
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    return str(rope.get("rope_type") or rope.get("type") or "default")


def _check_supported(config: dict[str, Any]) -> None:
    names = config.get("architectures") or ["none"]
    if names[0] not in ARCHITECTURES:
        raise _refusal("architectures", names[0], f"it knows {', '.join(ARCHITECTURES)}")
    if rope_type(config) not in ROPE_TYPES:
        raise _refusal("rope_type", rope_type(config), f"it knows {', '.join(ROPE_TYPES)}")
    if config.get("hidden_act", "silu") != "silu":
        raise _refusal("hidden_act", config["hidden_act"], "it knows silu")
    if config.get("use_sliding_window") or "sliding_attention" in (config.get("layer_types") or []):
        raise _refusal("use_sliding_window", True, "it knows full attention only")
    if config.get("quantization_config"):
        method = config["quantization_config"].get("quant_method", "unknown")
        raise _refusal("quantization_config", method, "it reads unquantized weights only")


def _refusal(key: str, value: object, rule: str) -> NotAvailableError:
    return NotAvailableError(
        f"config.json: {key} is {value!r}",
        rule=f"the OpenVINO converter can't rebuild that; {rule}",
        fix="serve it with engine=transformers",
    )
