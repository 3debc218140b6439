"""`danlu clean` as a command of its own, measured, and what it dropped."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from benchmarks.machine import REPOSITORY
from benchmarks.processes import Cost, measure_command


@dataclass(frozen=True)
class Dropped:
    """A dropped document; a duplicate has a survivor and a similarity."""

    id: str
    stage: str
    reason: str
    survivor: str | None
    similarity: float | None


def clean(inputs: Sequence[Path], output: Path, settings: Sequence[str] = (), cpus: int = 2) -> Cost:
    """Run `danlu clean` on files into the folder `output`, which must not be there yet."""
    names = ",".join(map(str, inputs))
    arguments = ["clean", f"input=[{names}]", f"output={output}", f"--cpus={cpus}", *settings]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONUNBUFFERED": "1"}
    log = output.parent / f"{output.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "cluster.command", *arguments]
    return measure_command(command, environment, folder=str(REPOSITORY), log=str(log))


def read_dropped(output: Path) -> list[Dropped]:
    """What a run dropped, by all stages."""
    rows = [row for file in sorted((output / "dropped").glob("*.parquet")) for row in _rows(file)]
    return [Dropped(r["id"], r["stage"], r["reason"], r["survivor_id"], r["similarity"]) for r in rows]


def _rows(file: Path) -> list[dict[str, Any]]:
    return pq.read_table(file, columns=["id", "stage", "reason", "survivor_id", "similarity"]).to_pylist()
