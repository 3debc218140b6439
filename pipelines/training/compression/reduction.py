"""Gradients of data-parallel workers become one step of AdamW, with one bit per element on the wire.

After a warm-up with whole gradients, each worker keeps Adam's first moment of its own gradients, divides it by the root
of the second moment, which all share and which is kept for many steps, and sends the signs. So far this is 1-bit Adam
(arXiv 2102.02888): momentum is smoother than gradients, and AdamW must not take its second moment from what compression
has made of them. What differs:

- the signs are those of the step's direction, not of the momentum. Directions are of one magnitude all over a tensor,
  and a magnitude per block is all that signs can tell.
- each worker's first moment follows its true gradients, so errors do not pass through the momentum again.
- the second moment is renewed now and then (as in 0/1 Adam, arXiv 2202.06009) from all the gradients that the workers
  have seen in between, not from the few that were sent whole.

Workers exchange in two hops. Each adds up one chunk for all, compresses the sum with an error feedback of its own, and
sends it round.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from pipelines.training.compression.buckets import Bucket, fill_buckets
from pipelines.training.compression.clipping import clip_coefficient, renewed_ratio
from pipelines.training.compression.feedback import compress
from pipelines.training.compression.moments import SECOND_DECAY, LocalMoments, agreement, floored, unbiased
from pipelines.training.compression.optimizer import DirectedAdamW
from pipelines.training.compression.phases import Phases, Progress
from pipelines.training.compression.signs import decode
from pipelines.training.compression.wire import Traffic, Wire, ring_bytes
from pipelines.training.groups import Groups
from pipelines.training.norms import gradient_norm

# One scale of 4 bytes for 512 bytes of signs: 1/31.75 of whole numbers.
BLOCK = 4096


@dataclass(frozen=True)
class Reduced:
    """What one step's reduction was.

    Attributes:
        norm: of the mean gradient before clipping; estimated where it was not sent whole.
        sent: what this worker sent.
        whole_bytes: what it would have sent without compression.
    """

    norm: float
    sent: Traffic
    whole_bytes: int


@dataclass(frozen=True)
class _Kept:
    """What a worker keeps of one bucket from step to step; float32.

    Attributes:
        error: (workers, chunk), what its own messages have lacked so far, in units of the direction.
        sum_error: (1, chunk), what the messages of the chunk it adds up have lacked.
        agreement: (parameters,).
    """

    moments: LocalMoments
    error: torch.Tensor
    sum_error: torch.Tensor
    agreement: torch.Tensor

    def named(self) -> dict[str, torch.Tensor]:
        return {
            "first": self.moments.first,
            "second": self.moments.second,
            "error": self.error,
            "sum_error": self.sum_error,
            "agreement": self.agreement,
        }


class OneBitReduction:
    """Takes the place of the all-reduce between a backward pass and the optimizer's step.

    Keeps three float32 numbers per weight on each worker. Its state is a worker's own: where the workers change, it
    starts anew with a warm-up.

    Args:
        parameters: those that are trained, in lists that no message mixes. A list holds the same parameters on all
            workers of the data group; where workers outside it hold copies too (tied embeddings on two stages, norms
            on all tensor parts), these are a list of their own, so that all copies take the same steps.
        largest_norm: gradients are clipped to this; 0 = they are not.
    """

    def __init__(
        self,
        parameters: Sequence[Sequence[torch.nn.Parameter]],
        optimizer: DirectedAdamW,
        groups: Groups,
        phases: Phases,
        largest_norm: float,
    ) -> None:
        self._wire = Wire(groups.data)
        self._optimizer, self._groups, self._phases, self._largest_norm = optimizer, groups, phases, largest_norm
        self._buckets = [bucket for one in parameters for bucket in fill_buckets(one, self._wire.workers)]
        self._kept = [_fresh(bucket) for bucket in self._buckets]
        self._done = Progress()
        self._norm_ratio = 0.0
        self.last: Reduced | None = None
        settings = optimizer.param_groups[0]
        (self._first_decay, self._adam_second_decay), self._epsilon = settings["betas"], settings["eps"]

    def reduce(self) -> Reduced:
        """Turn each worker's own gradients in `grad` into what the optimizer steps with, the same on all workers."""
        before = self._wire.traffic
        workers_norm = self._workers_norm()
        self._optimizer.directed = not self._phases.is_dense(self._done)
        norm = self._compressed(workers_norm) if self._optimizer.directed else self._dense(workers_norm)
        self._done = self._phases.after(self._done)
        after = self._wire.traffic
        whole = sum(parameter.numel() * 4 for bucket in self._buckets for parameter in bucket.parameters)
        sent = Traffic(after.payload - before.payload, after.dense - before.dense)
        self.last = Reduced(norm, sent, ring_bytes(whole, self._wire.workers))
        return self.last

    @property
    def is_fresh(self) -> bool:
        """Whether there was no step yet, and no state to go on from."""
        return self._done.steps == 0

    def state(self) -> dict[str, torch.Tensor]:
        """All that is kept from step to step, as tensors whose shapes never change."""
        state = {
            f"{number}/{name}": value for number, kept in enumerate(self._kept) for name, value in kept.named().items()
        }
        state["progress"] = torch.tensor([self._done.dense, self._done.compressed])
        state["norm_ratio"] = torch.tensor([self._norm_ratio], dtype=torch.float64)
        return state

    def load(self, state: dict[str, torch.Tensor]) -> None:
        """Take back what `state` gave."""
        for number, kept in enumerate(self._kept):
            for name, value in kept.named().items():
                value.copy_(state[f"{number}/{name}"])
        dense, compressed = state["progress"].tolist()
        self._done = Progress(dense, compressed)
        self._norm_ratio = state["norm_ratio"].item()

    def _dense(self, workers_norm: float) -> float:
        """Whole gradients, averaged and clipped as without compression; the moments run along."""
        own = [bucket.gather(_gradient) for bucket in self._buckets]
        for bucket, gradient in zip(self._buckets, own, strict=True):
            _set_gradients(bucket, self._wire.mean(gradient.clone()))
        norm = self._norm()
        coefficient = clip_coefficient(norm, self._largest_norm)
        for bucket, kept, gradient in zip(self._buckets, self._kept, own, strict=True):
            kept.moments.add(gradient.mul_(coefficient), self._first_decay)
            for parameter in bucket.parameters:
                assert parameter.grad is not None
                parameter.grad.mul_(coefficient)
        self._norm_ratio = renewed_ratio(self._norm_ratio, norm, workers_norm)
        return norm

    def _compressed(self, workers_norm: float) -> float:
        """The direction of AdamW's step from signs."""
        norm = self._norm_ratio * workers_norm
        coefficient = clip_coefficient(norm, self._largest_norm)
        refresh = self._phases.is_refresh(self._done)
        for bucket, kept in zip(self._buckets, self._kept, strict=True):
            kept.moments.add(bucket.gather(_gradient).mul_(coefficient), self._first_decay)
            if refresh:
                self._renew_second_moment(bucket, kept)
            roots = self._roots(bucket)
            unbias = 1 - self._first_decay ** (self._done.steps + 1)
            direction = self._exchange(kept, kept.moments.first / (roots * unbias))
            _set_gradients(bucket, direction)
            for parameter, moment in bucket.split(direction * roots * unbias):
                self._optimizer.state[parameter]["exp_avg"].copy_(moment)
        return norm

    def _exchange(self, kept: _Kept, values: torch.Tensor) -> torch.Tensor:
        """The mean of `values` (workers, chunk) over the workers, as well as signs can tell; the same on all."""
        chunk = values.shape[1]
        received = self._wire.exchange(compress(values, kept.error, BLOCK))
        mean = decode(received, chunk, BLOCK).mean(dim=0, keepdim=True)
        return decode(self._wire.collect(compress(mean, kept.sum_error, BLOCK)), chunk, BLOCK)

    def _renew_second_moment(self, bucket: Bucket, kept: _Kept) -> None:
        before = self._roots(bucket)
        pooled = self._wire.mean(unbiased(kept.moments.second, SECOND_DECAY, self._done.steps + 1))
        for place, (parameter, second) in enumerate(bucket.split(pooled)):
            state = self._optimizer.state[parameter]
            if self._done.compressed == 0:
                adam = unbiased(state["exp_avg_sq"], self._adam_second_decay, int(state["step"]))
                kept.agreement[place] = agreement(adam, second)
            state["exp_avg_sq"].copy_(floored(second * kept.agreement[place]))
        # Errors are in units of the direction, which has just changed.
        change = before.div_(self._roots(bucket))
        kept.error.mul_(change)
        kept.sum_error.mul_(change[self._wire.rank])

    def _roots(self, bucket: Bucket) -> torch.Tensor:
        """What AdamW divides by: (workers, chunk)."""
        found = bucket.gather(lambda parameter: self._optimizer.state[parameter]["exp_avg_sq"], filling=1.0)
        return found.sqrt_().add_(self._epsilon)

    def _workers_norm(self) -> float:
        """Root mean square of the norms of the workers' own gradients."""
        square = torch.tensor([self._norm() ** 2], dtype=torch.float64, device=self._kept[0].error.device)
        return math.sqrt(self._wire.mean(square).item())

    def _norm(self) -> float:
        norm = gradient_norm((p for bucket in self._buckets for p in bucket.parameters), self._groups)
        return 0.0 if norm is None else float(norm)


def _fresh(bucket: Bucket) -> _Kept:
    return _Kept(
        moments=LocalMoments(bucket.zeros(), bucket.zeros()),
        error=bucket.zeros(),
        sum_error=bucket.zeros()[:1].clone(),
        agreement=torch.ones(len(bucket.parameters), device=bucket.parameters[0].device),
    )


def _gradient(parameter: torch.nn.Parameter) -> torch.Tensor | None:
    return parameter.grad


def _set_gradients(bucket: Bucket, values: torch.Tensor) -> None:
    for parameter, value in bucket.split(values):
        if parameter.grad is None:
            parameter.grad = torch.empty_like(parameter)
        parameter.grad.copy_(value)
