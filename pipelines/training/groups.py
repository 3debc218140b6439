"""The process groups of a layout, as this worker sees them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch.distributed as dist

from pipelines.training.layout import Coordinates, Layout

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup


@dataclass(frozen=True)
class Groups:
    """Where this worker stands, and whom it talks to. The methods are what DeepSpeed asks of its `mpu`.

    Attributes:
        data: workers with the same weights, who share out the sequences.
        tensor: workers with the other parts of the same layers.
        model: all workers of one whole network, over stages and tensor parts.
        expert: workers that together have all experts of a layer.
    """

    layout: Layout
    rank: int
    data: ProcessGroup
    tensor: ProcessGroup
    model: ProcessGroup
    expert: ProcessGroup

    @property
    def at(self) -> Coordinates:
        return self.layout.coordinates(self.rank)

    @property
    def counts(self) -> bool:
        """Whether this worker's loss is counted: tensor parts all have the same one, and only the last stage has it."""
        return self.at.tensor == 0 and self.at.pipeline == self.layout.pipeline - 1

    def get_data_parallel_group(self) -> ProcessGroup:
        return self.data

    def get_data_parallel_rank(self) -> int:
        return self.at.data

    def get_data_parallel_world_size(self) -> int:
        return self.layout.data

    def get_model_parallel_group(self) -> ProcessGroup:
        return self.model

    def get_model_parallel_rank(self) -> int:
        return self.at.pipeline * self.layout.tensor + self.at.tensor

    def get_model_parallel_world_size(self) -> int:
        return self.layout.pipeline * self.layout.tensor

    def get_tensor_model_parallel_rank(self) -> int:
        return self.at.tensor

    def get_tensor_model_parallel_group(self) -> ProcessGroup:
        return self.tensor

    def get_tensor_model_parallel_world_size(self) -> int:
        return self.layout.tensor


def make_groups(layout: Layout) -> Groups:
    """Form the groups of `layout`. Called once by every worker; the process group is up.

    Raises:
        ValueError: there are more or fewer workers than the layout has places.
    """
    rank, world = dist.get_rank(), dist.get_world_size()
    if world != layout.world:
        raise ValueError(f"{layout} is {layout.world} workers, and there are {world}")
    return Groups(
        layout=layout,
        rank=rank,
        data=_mine(layout.data_groups(), rank),
        tensor=_mine(layout.tensor_groups(), rank),
        model=_mine(layout.model_groups(), rank),
        expert=_mine(layout.expert_groups(), rank),
    )


def _mine(lists: list[list[int]], rank: int) -> ProcessGroup:
    """All workers form all groups, in the same order."""
    formed = [(ranks, dist.new_group(ranks)) for ranks in lists]
    return next(group for ranks, group in formed if rank in ranks)
