"""What goes into the sandbox and what comes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Level = Literal["bubblewrap", "rlimits"]
KilledReason = Literal["wall_clock", "cpu_time", "output", "results", "signal"]


@dataclass(frozen=True)
class Call:
    """Arguments of one call: plain Python values (what `ast.literal_eval` can read, and inf/nan)."""

    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class CallOutcome:
    """What one call gave: `value_repr` is a Python literal when `ok`, else `error` says what happened."""

    ok: bool
    value_repr: str = ""
    error: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class SandboxResult:
    """One run. `outcomes` has one entry for each call, in order, also when the program was killed half-way.

    `not_limited` names the limits that this operating system would not set.
    """

    level: Level
    outcomes: tuple[CallOutcome, ...]
    stdout: str
    timed_out: bool = False
    killed_reason: KilledReason | None = None
    not_limited: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every call returned a value."""
        return all(outcome.ok for outcome in self.outcomes)
