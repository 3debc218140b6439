"""From sizes to a transformers config, and back.

`dense` is Qwen3 and `moe` is Qwen3-MoE as transformers has them, so that a checkpoint loads in any engine unchanged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actors.networks.sizes import Architecture, Sizes

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

_MODEL_TYPES: dict[str, Architecture] = {"qwen3": "dense", "qwen3_moe": "moe"}
# Weight of the load-balancing loss beside the language-model loss, as in Switch Transformer (arXiv 2101.03961).
_ROUTER_LOSS_WEIGHT = 0.01


def build_config(architecture: Architecture, sizes: Sizes, vocabulary: int) -> PreTrainedConfig:
    """The transformers config of a network with `vocabulary` token embeddings.

    Raises:
        ValueError: `sizes` has experts and the architecture is dense, or the other way round.
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
    return Qwen3MoeConfig(
        **common,
        num_experts=sizes.experts,
        num_experts_per_tok=sizes.experts_per_token,
        moe_intermediate_size=sizes.expert_intermediate,
        norm_topk_prob=True,
        router_aux_loss_coef=_ROUTER_LOSS_WEIGHT,
    )


def check_sizes(architecture: Architecture, sizes: Sizes) -> None:
    """Raise ValueError unless `sizes` fits the architecture."""
    if architecture == "moe" and not sizes.experts:
        raise ValueError("sizes.experts is 0: architecture moe needs at least one expert")
    if architecture == "dense" and sizes.experts:
        raise ValueError(f"sizes.experts is {sizes.experts}: architecture dense has none; use architecture=moe")


def architecture_of(config: PreTrainedConfig) -> Architecture | None:
    """Our name for the architecture of a transformers config, or None when it is neither."""
    return _MODEL_TYPES.get(config.model_type)


def sizes_of(config: PreTrainedConfig) -> Sizes:
    """The sizes of a Qwen3 or Qwen3-MoE config.

    Raises:
        ValueError: it is of another architecture.
    """
    kind = architecture_of(config)
    if kind is None:
        raise ValueError(f"model_type is {config.model_type!r}: sizes are known of {', '.join(_MODEL_TYPES)} only")
    experts: dict[str, int] = {}
    if kind == "moe":
        experts = {
            "experts": config.num_experts,
            "experts_per_token": config.num_experts_per_tok,
            "expert_intermediate": config.moe_intermediate_size,
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
        **experts,
    )
