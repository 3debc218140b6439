"""Training runs by several processes on one machine, without Ray: the same loop, network and DeepSpeed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from danlu.config import validate
from pipelines.training.config import TrainConfig
from pipelines.training.plan import TrainingPlan
from pipelines.training.sources import Kind

_WORKER = Path(__file__).with_name("gloo_worker.py")
_LOOK_EVERY_S = 0.2


@dataclass(frozen=True)
class Case:
    """A run: which data, the settings of `danlu train`, and the folder that `from` names."""

    kind: Kind
    settings: dict[str, Any]
    checkpoint: str | None = None

    def config(self) -> TrainConfig:
        """The settings, validated and resolved."""
        return validate(TrainConfig, {"input": "unused", "output": "unused"} | self.settings).resolved()


def train_cases(
    cases: Mapping[str, Case],
    stores: Mapping[str, Path],
    tokenizer: Path,
    vocabulary: int,
    folder: Path,
    environment: Mapping[str, str] | None = None,
    timeout_s: float = 600,
) -> dict[str, TrainingPlan]:
    """Train all cases one after the other with the same processes; all must want as many workers.

    Args:
        stores: the token store of each kind of data.
        folder: one folder per case is made in it.

    Returns:
        {name: the plan, which knows where metrics and checkpoint lie}.

    Raises:
        RuntimeError: a worker failed; the end of what it said is in the message.
    """
    (workers,) = {case.config().layout.world for case in cases.values()}
    plans, written = {}, {}
    for name, case in cases.items():
        place = folder / name
        place.mkdir(parents=True)
        (place / "tokens").symlink_to(stores[case.kind])
        (place / "tokenizer").symlink_to(tokenizer)
        settings = {"input": "unused"} | case.settings
        written[name] = {
            "config": settings,
            "kind": case.kind,
            "vocabulary": vocabulary,
            "checkpoint": case.checkpoint,
        }
        plans[name] = TrainingPlan(case.config(), case.kind, str(place), case.checkpoint, vocabulary, "cpu", began=0.0)
    (folder / "cases.json").write_text(json.dumps(written))
    run = [sys.executable, str(_WORKER), str(folder / "cases.json")]
    # More threads than cores would only wait for each other.
    given = {**os.environ, **(environment or {}), "OMP_NUM_THREADS": "1"}
    _run([[*run, str(rank), str(workers)] for rank in range(workers)], given, folder, timeout_s)
    return plans


def _run(commands: list[list[str]], environment: Mapping[str, str], folder: Path, timeout_s: float) -> None:
    """Run the commands side by side; what they say is kept in `folder`. When one fails, the others are ended.

    Into files, not pipes: nobody would read the pipes of the others while waiting for one.
    """
    logs = [folder / f"worker-{number}.log" for number in range(len(commands))]
    processes = []
    for command, log in zip(commands, logs, strict=True):
        with open(log, "wb") as said:
            processes.append(subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT, env=environment))
    until = time.monotonic() + timeout_s
    try:
        while any(process.poll() is None for process in processes):
            if any(process.returncode for process in processes) or time.monotonic() > until:
                break
            time.sleep(_LOOK_EVERY_S)
    finally:
        for process in processes:
            process.kill()
    if any(process.wait() for process in processes):
        texts = [log.read_text(encoding="utf-8", errors="replace") for log in logs]
        told = [text[-3000:] for text in texts if "Error" in text]
        raise RuntimeError("\n".join(told) or f"no end within {timeout_s:.0f} s")
