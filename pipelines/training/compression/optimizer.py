"""AdamW whose step direction can come from outside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch


class DirectedAdamW(torch.optim.AdamW):
    """torch's AdamW; while `directed` is true, `grad` holds the direction to step in, and the moments are kept.

    The direction is what AdamW computes from its moments, the first over the root of the second. Weight decay and the
    learning rate apply as always (arXiv 1711.05101).
    """

    directed = False

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        if not self.directed:
            return super().step(closure)
        assert closure is None  # a second forward pass would need a second exchange
        for group in self.param_groups:
            rate = group["lr"]
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.mul_(1 - rate * group["weight_decay"]).add_(parameter.grad, alpha=-rate)
                    self.state[parameter]["step"] += 1
        return None
