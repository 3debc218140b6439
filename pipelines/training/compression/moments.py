"""Adam's two moments where each worker knows its own gradients only.

The first moment is linear in the gradient, so the mean of the workers' own first moments is Adam's. The second is not:
the square of the mean gradient is smaller than the mean of the workers' squares, by how much depends on how far the
workers' gradients agree. That ratio is measured per parameter tensor while whole gradients are still sent.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

# Slower than Adam's own 0.95: it is read once in many steps, so it should tell of many.
SECOND_DECAY = 0.99
# Least second moment of an element, as a share of its tensor's mean. Without one, an element that had no gradient so
# far (an embedding of a rare token) would make a step without bounds at its first.
_LEAST_SHARE = 0.01


@dataclass(frozen=True)
class LocalMoments:
    """One worker's own first and second moment of a bucket, (workers, chunk) float32 each, zeros at first."""

    first: torch.Tensor
    second: torch.Tensor

    def add(self, gradient: torch.Tensor, first_decay: float) -> None:
        """Take in this step's own gradient. `first_decay` is Adam's beta 1."""
        self.first.mul_(first_decay).add_(gradient, alpha=1 - first_decay)
        self.second.mul_(SECOND_DECAY).addcmul_(gradient, gradient, value=1 - SECOND_DECAY)


def unbiased(moment: torch.Tensor, decay: float, steps: int) -> torch.Tensor:
    """A moment that began as zeros `steps` steps ago, as if it had not (Adam, arXiv 1412.6980, section 3)."""
    return moment / (1 - decay**steps)


def agreement(mean_gradient_second: torch.Tensor, local_second: torch.Tensor) -> torch.Tensor:
    """How much smaller the mean gradient's square is than the workers' squares, over a whole tensor: a scalar.

    Between 1 / workers, where gradients are all noise, and 1, where they are all equal; 1 where there are none.
    """
    local = local_second.mean()
    return torch.where(local > 0, mean_gradient_second.mean() / local, torch.ones_like(local))


def floored(second: torch.Tensor) -> torch.Tensor:
    """A tensor's second moment, no element below its least share of the mean."""
    return torch.maximum(second, second.mean() * _LEAST_SHARE)
