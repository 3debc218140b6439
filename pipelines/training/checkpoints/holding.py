"""What a worker has in memory, and its copy on the host while a checkpoint is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch

from pipelines.training.checkpoints.spans import Span


@dataclass(frozen=True)
class Holding:
    """Elements of a tensor that a worker has.

    Attributes:
        shape: of the whole tensor, before any cut.
        optimizer_step: how often the optimizer has updated it.
        arrays: their values by name (`weight`, `exp_avg`, ...), each (len(span),), on any device. They are views of
            the training state: writing to them changes it.
    """

    span: Span
    shape: tuple[int, ...]
    optimizer_step: float
    arrays: dict[str, torch.Tensor]


class Snapshot:
    """A copy of training state in host memory. The memory is taken once and used for every checkpoint.

    Attributes:
        holdings: the copied spans.
        extra: the copied tensors that belong to this worker alone.
    """

    def __init__(self) -> None:
        self._buffers: dict[tuple[object, ...], torch.Tensor] = {}
        self.holdings: list[Holding] = []
        self.extra: dict[str, torch.Tensor] = {}

    def take(self, spans: Sequence[Span], held: Iterable[Holding], extra: Mapping[str, torch.Tensor]) -> None:
        """Copy the elements `spans` out of what is `held`, and all of `extra`."""
        sources = {(holding.span.name, holding.span.cut): holding for holding in held}
        self.holdings = [self._part(span, sources[span.name, span.cut]) for span in spans]
        self.extra = {name: self._copy((name,), tensor) for name, tensor in extra.items()}

    def _part(self, span: Span, source: Holding) -> Holding:
        first, last = span.start - source.span.start, span.stop - source.span.start
        arrays = {key: self._copy((span, key), values[first:last]) for key, values in source.arrays.items()}
        return Holding(span, source.shape, source.optimizer_step, arrays)

    def _copy(self, key: tuple[object, ...], values: torch.Tensor) -> torch.Tensor:
        buffer = self._buffers.get(key)
        if buffer is None or buffer.shape != values.shape or buffer.dtype != values.dtype:
            # Page-locked memory takes copies from a GPU at the full speed of its bus.
            buffer = torch.empty(values.shape, dtype=values.dtype, pin_memory=values.is_cuda)
            self._buffers[key] = buffer
        return buffer.copy_(values.detach())
