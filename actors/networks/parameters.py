"""How many parameters a network has, by formula: no weights are made."""

from __future__ import annotations

from dataclasses import dataclass

from actors.networks.sizes import Sizes


@dataclass(frozen=True)
class ParameterCount:
    """All parameters, and those that one token meets (smaller in a mixture of experts)."""

    total: int
    active: int


def count_parameters(sizes: Sizes, vocabulary: int) -> ParameterCount:
    """Count the parameters of a Qwen3 or Qwen3-MoE network with `vocabulary` token embeddings."""
    embeddings = vocabulary * sizes.hidden * (1 if sizes.tied_embeddings else 2)
    outside = embeddings + sizes.hidden
    shared = _attention(sizes) + 2 * sizes.hidden
    if not sizes.experts:
        total = outside + sizes.layers * (shared + 3 * sizes.hidden * sizes.intermediate)
        return ParameterCount(total=total, active=total)
    expert = 3 * sizes.hidden * sizes.expert_intermediate
    router = sizes.hidden * sizes.experts
    total = outside + sizes.layers * (shared + router + sizes.experts * expert)
    unused = sizes.layers * (sizes.experts - sizes.experts_per_token) * expert
    return ParameterCount(total=total, active=total - unused)


def _attention(sizes: Sizes) -> int:
    queries = sizes.heads * sizes.head_dim
    keys = sizes.kv_heads * sizes.head_dim
    head_norms = 2 * sizes.head_dim
    return 2 * sizes.hidden * queries + 2 * sizes.hidden * keys + head_norms
