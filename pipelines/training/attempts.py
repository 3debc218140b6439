"""attempts.jsonl: each start of the workers, so that a restart can be told, counted and tested."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from danlu.progress import duration


@dataclass(frozen=True)
class Attempt:
    """Workers started.

    Attributes:
        step: that they continue from.
        seconds: since the run began.
        processes: their ids, by rank.
        lost_steps, lost_seconds: what an earlier start had trained beyond this step, and how long that took.
        notes: what else people should know of this start.
    """

    step: int
    seconds: float
    processes: list[int]
    lost_steps: int = 0
    lost_seconds: float = 0.0
    notes: list[str] = field(default_factory=list)

    @property
    def told(self) -> list[str]:
        """For people: what was lost, and the notes."""
        notes = list(self.notes)
        if self.lost_steps:
            amount = f"lost {self.lost_steps} step{'s' * (self.lost_steps > 1)} ({duration(self.lost_seconds)})"
            since = (
                f" since the checkpoint at step {self.step}"
                if self.step
                else ", all there were: no checkpoint was whole yet"
            )
            notes.append(amount + since)
        return notes


def append_attempt(file: Path, attempt: Attempt) -> None:
    """Add one start."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with open(file, "a", encoding="utf-8") as stream:
        stream.write(json.dumps(asdict(attempt)) + "\n")


def read_attempts(file: Path) -> list[Attempt]:
    """All starts so far, over all runs of the command."""
    if not file.exists():
        return []
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    return [Attempt(**json.loads(line)) for line in lines if line.endswith("\n")]
