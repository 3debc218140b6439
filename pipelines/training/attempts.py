"""attempts.jsonl: each start of the workers, so that a restart can be told, counted and tested."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Attempt:
    """Workers started: the step they continue from, seconds since the run began, process ids by rank."""

    step: int
    seconds: float
    processes: list[int]


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
