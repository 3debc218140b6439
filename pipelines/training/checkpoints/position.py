"""How far training is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Position:
    """Steps done and tokens read. The order of the data follows from the step, for any number of workers."""

    step: int = 0
    tokens: int = 0
