"""Training runs by several processes on one machine, without Ray: the same loop, network and DeepSpeed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from danlu.config import validate
from pipelines.training.config import TrainConfig
from pipelines.training.plan import TrainingPlan
from pipelines.training.sources import Kind

_WORKER = Path(__file__).with_name("gloo_worker.py")


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
    processes = [
        subprocess.Popen([*run, str(rank), str(workers)], stderr=subprocess.PIPE, stdout=subprocess.PIPE, env=given)
        for rank in range(workers)
    ]
    try:
        said = [process.communicate(timeout=timeout_s)[1].decode() for process in processes]
    finally:
        for process in processes:
            process.kill()
    if any(process.returncode for process in processes):
        raise RuntimeError("\n".join(text[-3000:] for text in said if "Error" in text))
    return plans
