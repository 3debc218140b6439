"""Which networks the OpenVINO converter can rebuild, read from a checkpoint's config.json. Pure decisions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from actors.engines.model_files import positive_count
from danlu.errors import InputError, NotAvailableError

ARCHITECTURES = ("Qwen3ForCausalLM", "Qwen3MoeForCausalLM", "Qwen2ForCausalLM", "LlamaForCausalLM")
# Kinds of rotary embedding whose frequencies are the same for every sequence. Those of `dynamic` change beyond
# max_position_embeddings only, and no request gets that long.
ROPE_TYPES = ("default", "linear", "dynamic", "llama3", "yarn")


@dataclass(frozen=True)
class Experts:
    """A mixture's sizes: of `count` experts of width `inner`, each token uses `used`.

    Attributes:
        normalised: the weights of a token's experts are scaled to sum to one.
    """

    count: int
    used: int
    inner: int
    normalised: bool


@dataclass(frozen=True)
class Architecture:
    """The sizes of a decoder with rotary embeddings, grouped-query attention and gated MLPs.

    Attributes:
        tied: the head shares the embedding's weights.
        attention_bias: the projections of query, key and value have biases.
        head_norms: query and key are normed head by head.
        experts: of the layers that have a mixture in place of the MLP; None when no layer has.
        dense_layers: layers that have an MLP although others have experts, beside those that `sparse_step` passes over.
        sparse_step: every so many layers one has experts.
    """

    layers: int
    hidden: int
    inner: int
    heads: int
    kv_heads: int
    head_size: int
    vocabulary: int
    rms_eps: float
    rope_type: str
    tied: bool
    attention_bias: bool
    head_norms: bool
    experts: Experts | None
    dense_layers: frozenset[int]
    sparse_step: int

    def has_experts(self, layer: int) -> bool:
        """Whether that layer is a mixture."""
        return self.experts is not None and layer not in self.dense_layers and not (layer + 1) % self.sparse_step


def read_architecture(config: dict[str, Any]) -> Architecture:
    """The sizes of a supported network.

    Raises:
        NotAvailableError: names what the converter does not know.
        InputError: a size is missing or none that can be.
    """
    _check_supported(config)
    name = config["architectures"][0]
    heads = positive_count(config, "num_attention_heads")
    kv_heads = positive_count(config, "num_key_value_heads", heads)
    hidden = positive_count(config, "hidden_size")
    if heads % kv_heads:
        rule = f"the {heads} heads of num_attention_heads can't be shared among them evenly"
        raise InputError(f"config.json: num_key_value_heads is {kv_heads}", rule=rule)
    head_size = positive_count(config, "head_dim", hidden // heads)
    if head_size % 2:
        raise InputError(f"config.json: head_dim is {head_size}", rule="rotary embeddings need an even one")
    experts = _experts(config) if name == "Qwen3MoeForCausalLM" else None
    return Architecture(
        layers=positive_count(config, "num_hidden_layers"),
        hidden=hidden,
        inner=positive_count(config, "intermediate_size"),
        heads=heads,
        kv_heads=kv_heads,
        head_size=head_size,
        vocabulary=positive_count(config, "vocab_size"),
        rms_eps=_rms_eps(config),
        rope_type=rope_type(config),
        tied=bool(config.get("tie_word_embeddings", False)),
        attention_bias=bool(config.get("attention_bias", name == "Qwen2ForCausalLM")),
        head_norms=name.startswith("Qwen3"),
        experts=experts,
        dense_layers=_dense_layers(config) if experts else frozenset(),
        sparse_step=positive_count(config, "decoder_sparse_step", 1) if experts else 1,
    )


def rope_type(config: dict[str, Any]) -> str:
    """The kind of rotary embedding, whichever generation of transformers wrote the config."""
    rope = _object(config, "rope_parameters") or _object(config, "rope_scaling")
    return str(rope.get("rope_type") or rope.get("type") or "default")


def _experts(config: dict[str, Any]) -> Experts:
    count_key = "num_experts" if "num_experts" in config else "num_local_experts"
    count, used = positive_count(config, count_key), positive_count(config, "num_experts_per_tok")
    if used > count:
        raise InputError(f"config.json: num_experts_per_tok is {used}", rule=f"{count_key} is {count}")
    inner = positive_count(config, "moe_intermediate_size")
    return Experts(count, used, inner, bool(config.get("norm_topk_prob", False)))


def _dense_layers(config: dict[str, Any]) -> frozenset[int]:
    plain = _list(config, "mlp_only_layers")
    if not all(isinstance(layer, int) for layer in plain):
        raise InputError(f"config.json: mlp_only_layers is {plain!r}", rule="it must be a list of whole numbers")
    return frozenset(plain)


_RMS_EPS = 1e-6  # what transformers takes for every architecture here where config.json says nothing


def _rms_eps(config: dict[str, Any]) -> float:
    value = config.get("rms_norm_eps", _RMS_EPS)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise InputError(f"config.json: rms_norm_eps is {value!r}", rule="it must be a small positive number")
    return float(value)


def _check_supported(config: dict[str, Any]) -> None:
    names = _list(config, "architectures") or ["none"]
    if names[0] not in ARCHITECTURES:
        raise _refusal("architectures", names[0], f"it knows {', '.join(ARCHITECTURES)}")
    if rope_type(config) not in ROPE_TYPES:
        raise _refusal("rope_type", rope_type(config), f"it knows {', '.join(ROPE_TYPES)}")
    if config.get("hidden_act", "silu") != "silu":
        raise _refusal("hidden_act", config["hidden_act"], "it knows silu")
    if config.get("use_sliding_window") or "sliding_attention" in _list(config, "layer_types"):
        raise _refusal("use_sliding_window", True, "it knows full attention only")
    if quantized := _object(config, "quantization_config"):
        method = quantized.get("quant_method", "unknown")
        raise _refusal("quantization_config", method, "it reads unquantized weights only")


def _list(config: dict[str, Any], key: str) -> list[Any]:
    value = config.get(key) or []
    if not isinstance(value, list):
        raise InputError(f"config.json: {key} is {value!r}", rule="it must be a list")
    return value


def _object(config: dict[str, Any], key: str) -> dict[str, Any]:
    value = config.get(key) or {}
    if not isinstance(value, dict):
        raise InputError(f"config.json: {key} is {value!r}", rule="it must be a JSON object")
    return value


def _refusal(key: str, value: object, rule: str) -> NotAvailableError:
    return NotAvailableError(
        f"config.json: {key} is {value!r}",
        rule=f"the OpenVINO converter can't rebuild that; {rule}",
        fix="serve it with engine=transformers",
    )
