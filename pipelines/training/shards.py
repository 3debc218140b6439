"""Which part of a whole parameter a worker holds, and how parts become the whole again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module, Parameter


@dataclass(frozen=True)
class Shard:
    """One part of a parameter.

    Attributes:
        name: the parameter's name in the whole Hugging Face network.
        axis: the axis that is cut; None where this is the whole parameter.
        part, parts: which of how many equal parts.
        groups: a matrix of so many matrices on top of each other along `axis`, each of which is cut by itself
            (2 for an expert's gate and up matrices, which are one parameter).
    """

    name: str
    axis: int | None = None
    part: int = 0
    parts: int = 1
    groups: int = 1


def cut(full: Tensor, shard: Shard) -> Tensor:
    """The part of `full` that `shard` names, as a tensor of its own."""
    if shard.axis is None:
        return full.clone()
    pieces = [group.chunk(shard.parts, shard.axis)[shard.part] for group in full.chunk(shard.groups, shard.axis)]
    return torch.cat(pieces, shard.axis)


def join(parts: Sequence[Tensor], shard: Shard) -> Tensor:
    """The whole parameter from all its parts, in their order. `shard` is that of any of them."""
    assert len(parts) == shard.parts
    if shard.axis is None:
        return parts[0]
    groups = [part.chunk(shard.groups, shard.axis) for part in parts]
    return torch.cat([group[number] for number in range(shard.groups) for group in groups], shard.axis)


def mark_whole(network: Module) -> None:
    """Give every parameter of an uncut Hugging Face network its Shard."""
    for name, parameter in network.named_parameters():
        set_shard(parameter, Shard(name))


def set_shard(parameter: Parameter, shard: Shard) -> None:
    """Note on the parameter what it is part of; checkpoints and the export read it."""
    parameter.shard = shard  # type: ignore[attr-defined]


def shard_of(parameter: Parameter) -> Shard:
    """What `set_shard` noted."""
    shard: Shard = parameter.shard  # type: ignore[attr-defined]
    return shard


def sharded_parameters(network: Module) -> Iterable[tuple[Shard, Parameter]]:
    """The parameters of a built network, each with its Shard; a tied one comes once."""
    for parameter in network.parameters():
        yield shard_of(parameter), parameter


def expert_group_name(parameter: torch.nn.Parameter) -> str | None:
    """What DeepSpeed calls the workers that share out this parameter's experts; None where every replica has it."""
    return getattr(parameter, "group_name", None)
