"""What workers send each other to agree on a gradient, and how many bytes that is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup


@dataclass(frozen=True)
class Traffic:
    """Bytes that one worker sent.

    Attributes:
        payload: messages of one bit per element, their scales included.
        dense: whole numbers (float32), as a ring all-reduce sends them: 2 (w - 1) / w times their size with w workers.
    """

    payload: int = 0
    dense: int = 0

    @property
    def total(self) -> int:
        return self.payload + self.dense


def ring_bytes(size_bytes: int, workers: int) -> int:
    """What each of `workers` sends to all-reduce `size_bytes` in a ring: the least that is possible."""
    return 2 * (workers - 1) * size_bytes // workers


class Wire:
    """The collectives of the workers that hold the same weights. Counts what this worker sends."""

    def __init__(self, group: ProcessGroup) -> None:
        self.workers = dist.get_world_size(group)
        self.rank = dist.get_rank(group)
        self.traffic = Traffic()
        self._group = group

    def exchange(self, messages: torch.Tensor) -> torch.Tensor:
        """Row i of `messages` (workers, bytes) goes to worker i; row i of the result came from worker i."""
        received = torch.empty_like(messages)
        dist.all_to_all_single(received, messages, group=self._group)
        self._count(payload=(self.workers - 1) * messages.shape[1])
        return received

    def collect(self, message: torch.Tensor) -> torch.Tensor:
        """Every worker's `message` (1, bytes), by rank: (workers, bytes)."""
        received = message.new_empty(self.workers, message.shape[1])
        dist.all_gather_into_tensor(received, message, group=self._group)
        self._count(payload=(self.workers - 1) * message.shape[1])
        return received

    def mean(self, values: torch.Tensor) -> torch.Tensor:
        """The mean over the workers, in place and uncompressed; the same bits on each of them."""
        dist.all_reduce(values, group=self._group)
        self._count(dense=ring_bytes(values.numel() * values.element_size(), self.workers))
        return values.div_(self.workers)

    def _count(self, payload: int = 0, dense: int = 0) -> None:
        sent = self.traffic
        self.traffic = replace(sent, payload=sent.payload + payload, dense=sent.dense + dense)
