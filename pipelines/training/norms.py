"""The length of a gradient that is spread over workers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist

from pipelines.training.groups import Groups
from pipelines.training.shards import shard_of

if TYPE_CHECKING:
    from torch.nn import Parameter


def gradient_norm(parameters: Iterable[Parameter], groups: Groups) -> torch.Tensor | None:
    """The 2-norm of the whole network's gradient, each weight counted once; None where no worker has a gradient.

    The gradients are already the same on all replicas.
    """
    squares = [
        torch.linalg.vector_norm(parameter.grad.float()) ** 2
        for parameter in parameters
        if parameter.grad is not None and _is_counted(parameter, groups)
    ]
    if groups.layout.pipeline * groups.layout.tensor == 1:
        return torch.stack(squares).sum().sqrt() if squares else None
    total = torch.stack(squares).sum() if squares else torch.zeros(())
    dist.all_reduce(total, group=groups.model)
    return total.sqrt()


def clip_gradients(parameters: Iterable[Parameter], norm: torch.Tensor | None, most: float) -> None:
    """Scale all gradients down so that their norm is at most `most`; 0 means no limit."""
    if norm is None or not most:
        return
    torch.nn.utils.clip_grads_with_norm_(list(parameters), most, norm)


def _is_counted(parameter: Parameter, groups: Groups) -> bool:
    """Of what several workers hold, the first tensor part counts, and of tied weights the first stage."""
    if getattr(parameter, "ds_pipe_replicated", False):
        return False
    return groups.at.tensor == 0 or shard_of(parameter).axis is not None
