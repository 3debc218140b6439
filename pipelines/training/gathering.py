"""The weights of the whole network on the first worker, one parameter at a time, whoever holds its parts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist

from pipelines.training.shards import Shard, join

if TYPE_CHECKING:
    from torch.nn import Parameter


@dataclass(frozen=True)
class _Held:
    """A part that a worker holds."""

    shard: Shard
    shape: tuple[int, ...]
    dtype: torch.dtype


def gather_weights(parameters: Iterable[tuple[Shard, Parameter]], device: torch.device) -> dict[str, torch.Tensor]:
    """All weights by name, on the CPU of worker 0; empty elsewhere. Every worker takes part.

    One parameter at a time crosses the wire, from the first worker that holds the part, so that no worker but the
    first needs room for more than one.
    """
    mine = dict(parameters)
    holders = _holders(mine)
    names = dict.fromkeys(shard.name for shard in holders)
    by_name: dict[str, list[Shard]] = {name: [] for name in names}
    for shard in holders:
        by_name[shard.name].append(shard)
    weights = {}
    for name, shards in by_name.items():
        parts = [_bring(shard, mine.get(shard), *holders[shard], device) for shard in sorted(shards, key=_part)]
        if dist.get_rank() == 0:
            weights[name] = join([part for part in parts if part is not None], shards[0])
    return weights


def _holders(mine: dict[Shard, Parameter]) -> dict[Shard, tuple[int, _Held]]:
    """{part: (the first worker that holds it, what it looks like)}, the same on every worker."""
    held = [_Held(shard, _shape(parameter), parameter.dtype) for shard, parameter in mine.items()]
    everywhere: list[list[_Held]] = [[] for _ in range(dist.get_world_size())]
    dist.all_gather_object(everywhere, held)
    first: dict[Shard, tuple[int, _Held]] = {}
    for rank, parts in enumerate(everywhere):
        for part in parts:
            first.setdefault(part.shard, (rank, part))
    return first


def _part(shard: Shard) -> int:
    return shard.part


def _shape(parameter: Parameter) -> tuple[int, ...]:
    # ZeRO-3 leaves an empty tensor in place of a parameter and keeps its shape here.
    return tuple(getattr(parameter, "ds_shape", parameter.shape))


def _bring(
    shard: Shard, parameter: Parameter | None, holder: int, held: _Held, device: torch.device
) -> torch.Tensor | None:
    """The part on worker 0; None elsewhere."""
    import deepspeed

    rank = dist.get_rank()
    if parameter is not None:
        # All holders gather, though only one sends: with ZeRO-3 each has a piece.
        with deepspeed.zero.GatheredParameters([parameter], modifier_rank=None):
            if rank == holder == 0:
                return parameter.detach().cpu().clone()
            if rank == holder:
                dist.send(parameter.detach().contiguous(), 0)
    if rank != 0 or holder == 0:
        return None
    received = torch.empty(held.shape, dtype=held.dtype, device=device)
    dist.recv(received, holder)
    return received.cpu()
