"""Parameters as flat vectors: what is sent in one message."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch

from pipelines.training.compression.signs import BITS

# A message's vectors are a few times as large as the bucket; with this many elements, each takes 64 MiB.
LARGEST_BUCKET = 2**24


@dataclass(frozen=True)
class Bucket:
    """Some parameters, laid end to end and filled up so that each worker gets an equal chunk of whole bytes.

    Attributes:
        parameters: in a fixed order, the same on all workers.
        chunk: elements that one worker adds up for all.
        workers: how many chunks there are.
    """

    parameters: Sequence[torch.nn.Parameter]
    chunk: int
    workers: int

    def zeros(self) -> torch.Tensor:
        """(workers, chunk) float32."""
        return torch.zeros(self.workers, self.chunk, device=self.parameters[0].device)

    def gather(self, read: Callable[[torch.nn.Parameter], torch.Tensor | None], filling: float = 0.0) -> torch.Tensor:
        """What `read` gives for each parameter (None = zeros), then `filling`: (workers, chunk) float32."""
        flat = torch.full((self.workers * self.chunk,), filling, device=self.parameters[0].device)
        for parameter, place in self._places(flat):
            found = read(parameter)
            if found is None:
                place.zero_()
            else:
                place.copy_(found.reshape(-1))
        return flat.view(self.workers, self.chunk)

    def split(self, values: torch.Tensor) -> Iterable[tuple[torch.nn.Parameter, torch.Tensor]]:
        """Each parameter with its part of `values` (workers, chunk), as a view in the parameter's shape."""
        for parameter, place in self._places(values.view(-1)):
            yield parameter, place.view(parameter.shape)

    def _places(self, flat: torch.Tensor) -> Iterable[tuple[torch.nn.Parameter, torch.Tensor]]:
        first = 0
        for parameter in self.parameters:
            yield parameter, flat[first : first + parameter.numel()]
            first += parameter.numel()


def make_bucket(parameters: Sequence[torch.nn.Parameter], workers: int) -> Bucket:
    """The smallest bucket that holds `parameters`."""
    elements = sum(parameter.numel() for parameter in parameters)
    unit = BITS * workers
    return Bucket(parameters, -(-elements // unit) * BITS, workers)


def fill_buckets(parameters: Iterable[torch.nn.Parameter], workers: int, largest: int = LARGEST_BUCKET) -> list[Bucket]:
    """Neighbours together, as many as fit in `largest` elements; a parameter that is larger is alone."""
    buckets: list[list[torch.nn.Parameter]] = []
    room = 0
    for parameter in parameters:
        room -= parameter.numel()
        if room < 0 or not buckets:
            buckets.append([])
            room = largest - parameter.numel()
        buckets[-1].append(parameter)
    return [make_bucket(bucket, workers) for bucket in buckets]
