"""How many parameters a network has, by formula: no weights are made."""

from __future__ import annotations

from dataclasses import dataclass

from actors.networks.blocks import BlockKind
from actors.networks.sizes import Sizes


@dataclass(frozen=True)
class ParameterCount:
    """All parameters, and those that one token meets (smaller where a router chooses)."""

    total: int
    active: int


def count_parameters(sizes: Sizes, vocabulary: int) -> ParameterCount:
    """Count the parameters of a network with `vocabulary` token embeddings."""
    embeddings = vocabulary * sizes.hidden * (1 if sizes.tied_embeddings else 2)
    shared = embeddings + sizes.hidden + sizes.layers * (_attention(sizes) + 2 * sizes.hidden)
    blocks = [count_block(sizes, kind) for kind in sizes.layer_kinds]
    return ParameterCount(shared + sum(b.total for b in blocks), shared + sum(b.active for b in blocks))


def count_block(sizes: Sizes, kind: BlockKind) -> ParameterCount:
    """Count the parameters of one feed-forward block, its router included."""
    neuron = 3 * sizes.hidden  # a row of the gate and of the up projection, a column of the down projection
    if kind == "dense":
        return ParameterCount(neuron * sizes.intermediate, neuron * sizes.intermediate)
    if kind == "moe":
        choices, chosen, width, always = sizes.experts, sizes.experts_per_token, sizes.expert_intermediate, 0
    else:
        choices, chosen, width, always = sizes.slices, sizes.slices_per_token, sizes.slice_width, sizes.shared_width
    router = choices * sizes.hidden
    return ParameterCount(
        total=router + neuron * (always + choices * width), active=router + neuron * (always + chosen * width)
    )


def _attention(sizes: Sizes) -> int:
    queries = sizes.heads * sizes.head_dim
    keys = sizes.kv_heads * sizes.head_dim
    head_norms = 2 * sizes.head_dim
    return 2 * sizes.hidden * queries + 2 * sizes.hidden * keys + head_norms
