"""Checkpoints to resume from: DeepSpeed writes each worker's part, Ray Train remembers which one is whole."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipelines.training.executor import Executor

_TAG = "engine"


@dataclass(frozen=True)
class Position:
    """How far training is: steps done and tokens read. The order of the data follows from the step."""

    step: int = 0
    tokens: int = 0


def save_position(executor: Executor, position: Position) -> None:
    """Save weights, optimizer and position; returns when Ray Train has all workers' parts."""
    import ray.train
    from ray.train import Checkpoint

    with tempfile.TemporaryDirectory() as folder:
        state = {"step": position.step, "tokens": position.tokens}
        executor.engine.save_checkpoint(folder, tag=_TAG, client_state=state)
        ray.train.report(state, Checkpoint.from_directory(folder), checkpoint_dir_name=f"step-{position.step:08d}")


def restore_position(executor: Executor) -> Position:
    """Load the latest whole checkpoint into `executor`; the start where there is none."""
    import ray.train

    checkpoint = ray.train.get_checkpoint()
    if checkpoint is None:
        return Position()
    with checkpoint.as_directory() as folder:
        path, state = executor.engine.load_checkpoint(folder, tag=_TAG)
    assert path is not None  # Ray Train names only checkpoints that every worker has written
    return Position(state["step"], state["tokens"])
