"""From sizes to a transformers config, and back.

`dense` is Qwen3 and `moe` is Qwen3-MoE as transformers has them, so that a checkpoint loads in any engine unchanged; a
mix of both is a Qwen3-MoE with dense layers. `sparse` is a network of our own (sparse_network.py), alone or mixed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actors.networks.sizes import Architecture, Sizes

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

_MODEL_TYPES: dict[str, Architecture] = {"qwen3": "dense", "qwen3_moe": "moe", "danlu_sparse": "sparse"}
# Weight of the load-balancing loss beside the language-model loss, as in Switch Transformer (arXiv 2101.03961).
_ROUTER_LOSS_WEIGHT = 0.01


def build_config(architecture: Architecture, sizes: Sizes, vocabulary: int) -> PreTrainedConfig:
    """The transformers config of a network with `vocabulary` token embeddings.

    Raises:
        ValueError: `sizes` has blocks that the architecture has not, or lacks those it is named after.
    """
    from transformers import Qwen3Config, Qwen3MoeConfig

    check_sizes(architecture, sizes)
    common: dict[str, Any] = {
        "vocab_size": vocabulary,
        "hidden_size": sizes.hidden,
        "intermediate_size": sizes.intermediate,
        "num_hidden_layers": sizes.layers,
        "num_attention_heads": sizes.heads,
        "num_key_value_heads": sizes.kv_heads,
        "head_dim": sizes.head_dim,
        "max_position_embeddings": sizes.context,
        "tie_word_embeddings": sizes.tied_embeddings,
        # LeCun's 1/sqrt(fan in). The usual 0.02 is too small for narrow networks: at width 256, fine-tuning then needs
        # twice the steps to learn the same answers by heart.
        "initializer_range": sizes.hidden**-0.5,
    }
    if architecture == "dense":
        return Qwen3Config(**common)
    common |= {"router_aux_loss_coef": _ROUTER_LOSS_WEIGHT, "norm_topk_prob": True}
    kinds = sizes.layer_kinds
    if architecture == "moe":
        return Qwen3MoeConfig(
            **common,
            num_experts=sizes.experts,
            num_experts_per_tok=sizes.experts_per_token,
            moe_intermediate_size=sizes.expert_intermediate,
            mlp_only_layers=[layer for layer, kind in enumerate(kinds) if kind == "dense"],
        )
    register_networks()
    from actors.networks.sparse_network import DanluSparseConfig

    return DanluSparseConfig(
        **common,
        layer_kinds=list(kinds),
        num_experts=sizes.slices,
        num_experts_per_tok=sizes.slices_per_token,
        moe_intermediate_size=sizes.expert_intermediate,
        slice_width=sizes.slice_width,
        shared_width=sizes.shared_width,
    )


def register_networks() -> None:
    """Make the Auto classes of transformers know our networks. To be called before a checkpoint is loaded."""
    from transformers import AutoConfig, AutoModelForCausalLM

    from actors.networks.sparse_network import DanluSparseConfig, DanluSparseForCausalLM

    AutoConfig.register(DanluSparseConfig.model_type, DanluSparseConfig, exist_ok=True)
    AutoModelForCausalLM.register(DanluSparseConfig, DanluSparseForCausalLM, exist_ok=True)


_COUNTED: dict[Architecture, tuple[str, str]] = {"moe": ("experts", "expert"), "sparse": ("slices", "slice")}


def check_sizes(architecture: Architecture, sizes: Sizes) -> None:
    """Raise ValueError unless `sizes` fits the architecture."""
    found = sizes.architecture
    if found == architecture:
        return
    if architecture in _COUNTED:
        key, one = _COUNTED[architecture]
        if not getattr(sizes, key):
            raise ValueError(f"sizes.{key} is 0: architecture {architecture} needs at least one {one}")
    key, _ = _COUNTED[found]
    rule = f"architecture {architecture} has none; use architecture={found}"
    raise ValueError(f"sizes.{key} is {getattr(sizes, key)}: {rule}")


def architecture_of(config: PreTrainedConfig) -> Architecture | None:
    """Our name for the architecture of a transformers config, or None when it is none of them."""
    return _MODEL_TYPES.get(config.model_type)


def sizes_of(config: PreTrainedConfig) -> Sizes:
    """The sizes of a config that `build_config` could have made.

    Raises:
        ValueError: it is of another architecture.
    """
    kind = architecture_of(config)
    if kind is None:
        raise ValueError(f"model_type is {config.model_type!r}: sizes are known of {', '.join(_MODEL_TYPES)} only")
    blocks = _kinds_of(config, kind)
    more: dict[str, Any] = {"blocks": blocks} if len(set(blocks)) > 1 else {}
    if "moe" in blocks:
        more |= {
            "experts": config.num_experts,
            "experts_per_token": config.num_experts_per_tok,
            "expert_intermediate": config.moe_intermediate_size,
        }
    if "sparse" in blocks:
        more |= {
            "slices": config.num_experts,
            "slices_per_token": config.num_experts_per_tok,
            "slice_width": config.slice_width,
            "shared_width": config.shared_width,
        }
    return Sizes(
        layers=config.num_hidden_layers,
        hidden=config.hidden_size,
        intermediate=config.intermediate_size,
        heads=config.num_attention_heads,
        kv_heads=config.num_key_value_heads,
        head_dim=config.head_dim,
        context=config.max_position_embeddings,
        tied_embeddings=config.tie_word_embeddings,
        **more,
    )


def _kinds_of(config: PreTrainedConfig, architecture: Architecture) -> list[str]:
    """The kind of each layer's feed-forward block."""
    layers = range(config.num_hidden_layers)
    if architecture == "sparse":
        return list(config.layer_kinds)
    if architecture == "dense":
        return ["dense" for _ in layers]
    without, step = config.mlp_only_layers or [], config.decoder_sparse_step
    return ["dense" if layer in without or (layer + 1) % step else "moe" for layer in layers]
