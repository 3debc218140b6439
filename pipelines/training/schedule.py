"""The learning rate of each step: linear warm-up, then cosine decay or a constant."""

from __future__ import annotations

import math

from pipelines.training.settings import OptimizerSettings


def learning_rate(step: int, steps: int, settings: OptimizerSettings) -> float:
    """The learning rate of `step` (0-based) of `steps`. `settings` is resolved: it has its warm-up."""
    warmup = settings.warmup_steps or 0
    if step < warmup:
        return settings.learning_rate * (step + 1) / warmup
    if settings.schedule == "constant":
        return settings.learning_rate
    done = (step - warmup) / max(1, steps - warmup)
    cosine = (1 + math.cos(math.pi * done)) / 2
    return settings.learning_rate * (settings.final_share + (1 - settings.final_share) * cosine)
