"""Each layer shared by several workers, after Megatron-LM (arXiv 1909.08053, section 3).

Attention is cut by heads, a feed-forward layer (and each expert) by its inner width: the first matrix of a pair by its
outputs, the second by its inputs, so that a pair needs one sum over the workers at its end, and its gradient one at its
beginning. Embeddings, norms and routers are whole on every worker.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist

from pipelines.training.groups import Groups
from pipelines.training.shards import Shard, cut, set_shard, shard_of

if TYPE_CHECKING:
    from torch import Tensor
    from torch.distributed import ProcessGroup
    from torch.nn import Module
    from transformers import PreTrainedModel

# (end of a parameter's name, the axis that is cut, matrices on top of each other along it)
_CUTS = (
    (r"self_attn\.[qkv]_proj\.weight", 0, 1),
    (r"self_attn\.o_proj\.weight", 1, 1),
    (r"mlp\.(gate|up)_proj\.weight", 0, 1),
    (r"mlp\.down_proj\.weight", 1, 1),
    (r"mlp\.experts\.gate_up_proj", 1, 2),
    (r"mlp\.experts\.down_proj", 2, 1),
)


def tensor_shard(name: str, part: int, parts: int) -> Shard:
    """What tensor part `part` holds of the parameter `name` of a Qwen3 or Qwen3-MoE network."""
    for ending, axis, groups in _CUTS:
        if re.search(rf"\.{ending}$", name):
            return Shard(name, axis, part, parts, groups)
    return Shard(name)


def share_layers(model: PreTrainedModel, groups: Groups) -> None:
    """Leave this worker its part of every layer. The parameters carry their Shard already; it is replaced."""
    part, parts = groups.at.tensor, groups.layout.tensor
    if parts == 1:
        return
    for parameter in model.parameters():
        shard = tensor_shard(shard_of(parameter).name, part, parts)
        if shard.axis is not None:
            parameter.data = cut(parameter.data, shard)
            set_shard(parameter, shard)
            # DeepSpeed's mark: the norm of the gradient counts every part of this one, and everything else once.
            parameter.model_parallel = True  # type: ignore[attr-defined]
    for layer in model.model.layers:
        _share_attention(layer.self_attn, groups.tensor)
        # A layer's experts are shared like a dense layer: all of them on every worker, each in part.
        _share_pair(getattr(layer.mlp, "experts", layer.mlp), groups.tensor)


def _share_attention(attention: Any, group: ProcessGroup) -> None:
    def enter(_: Module, arguments: tuple[Any, ...], named: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return arguments, named | {"hidden_states": _Enter.apply(named["hidden_states"], group)}

    def add_up(gradient: Tensor) -> Tensor:
        total = gradient.clone()
        dist.all_reduce(total, group=group)
        return total

    attention.register_forward_pre_hook(enter, with_kwargs=True)
    attention.o_proj.register_forward_hook(lambda module, arguments, output: _Leave.apply(output, group))
    # Whole weights that see only this worker's heads: their gradient is the sum over all heads.
    attention.q_norm.weight.register_hook(add_up)
    attention.k_norm.weight.register_hook(add_up)


def _share_pair(layer: Module, group: ProcessGroup) -> None:
    def enter(_: Module, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        # Experts also take the index of each token's experts, which has no gradient, and their weights, which have.
        return tuple(_Enter.apply(one, group) if one.is_floating_point() else one for one in arguments)

    layer.register_forward_pre_hook(enter)
    layer.register_forward_hook(lambda module, arguments, output: _Leave.apply(output, group))


class _Enter(torch.autograd.Function):
    """What all workers have, before each takes its own way: the gradient is the sum of theirs."""

    @staticmethod
    def forward(context: Any, whole: Tensor, group: ProcessGroup) -> Tensor:
        context.group = group
        return whole.view_as(whole)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        total = gradients[0].clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total, group=context.group)
        return total, None


class _Leave(torch.autograd.Function):
    """The sum of what the workers have found: the gradient is the same for each."""

    @staticmethod
    def forward(context: Any, part: Tensor, group: ProcessGroup) -> Tensor:
        total = part.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0], None
