"""The length of a gradient that is spread over workers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist

from pipelines.training.groups import Groups
from pipelines.training.shards import expert_group_name, shard_of

if TYPE_CHECKING:
    from torch.nn import Parameter


def gradient_norm(parameters: Iterable[Parameter], groups: Groups) -> torch.Tensor | None:
    """The 2-norm of the whole network's gradient, each weight counted once; None where no worker has a gradient.

    The gradients are already the same on all replicas.
    """
    held = list(parameters)
    counted = [p for p in held if p.grad is not None and _is_counted(p, groups)]
    layout = groups.layout
    if not counted and layout.pipeline * layout.tensor * layout.expert == 1:
        return None
    device = held[0].device
    total = _squares([p for p in counted if expert_group_name(p) is None], device)
    if layout.expert > 1:
        experts = _squares([p for p in counted if expert_group_name(p) is not None], device)
        dist.all_reduce(experts, group=groups.expert)
        total = total + experts
    if layout.pipeline * layout.tensor > 1:
        dist.all_reduce(total, group=groups.model)
    return total.sqrt()


def clip_gradients(parameters: Iterable[Parameter], norm: torch.Tensor | None, most: float) -> None:
    """Scale all gradients down so that their norm is at most `most`; 0 means no limit."""
    if norm is None or not most:
        return
    torch.nn.utils.clip_grads_with_norm_(list(parameters), most, norm)


def _squares(parameters: list[Parameter], device: torch.device) -> torch.Tensor:
    """Of all elements of the gradients, summed."""
    norms = [torch.linalg.vector_norm(p.grad.float()) for p in parameters if p.grad is not None]
    return torch.stack(norms).square().sum() if norms else torch.zeros((), device=device)


def _is_counted(parameter: Parameter, groups: Groups) -> bool:
    """Of what several workers hold, the first tensor part counts, and of tied weights the first stage."""
    if getattr(parameter, "ds_pipe_replicated", False):
        return False
    return groups.at.tensor == 0 or shard_of(parameter).axis is not None
