"""When whole gradients are sent, when bits, and when the second moment is renewed."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Progress:
    """Steps since the start, or since the workers last changed.

    Attributes:
        dense: steps with whole gradients.
        compressed: steps with one bit per element.
    """

    dense: int = 0
    compressed: int = 0

    @property
    def steps(self) -> int:
        return self.dense + self.compressed


@dataclass(frozen=True)
class Phases:
    """Whole gradients for `warmup_steps`, then bits, with a new second moment every `refresh_every` steps."""

    warmup_steps: int
    refresh_every: int

    def is_dense(self, done: Progress) -> bool:
        """Whether the step after `done` sends whole gradients. A longer warm-up does not reopen one that is over."""
        return done.compressed == 0 and done.dense < self.warmup_steps

    def is_refresh(self, done: Progress) -> bool:
        """Whether the step after `done` renews the second moment: the first compressed one does."""
        return not self.is_dense(done) and done.compressed % self.refresh_every == 0

    def after(self, done: Progress) -> Progress:
        """`done` and one step more."""
        if self.is_dense(done):
            return replace(done, dense=done.dense + 1)
        return replace(done, compressed=done.compressed + 1)
