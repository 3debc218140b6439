"""A worker that is killed costs the steps since the last checkpoint, and nothing else."""

from __future__ import annotations

import io
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from danlu.progress import Progress
from danlu.report import Report
from pipelines.training.attempts import read_attempts
from pipelines.training.metrics import read_metrics

STEPS = 150


@pytest.mark.usefixtures("ray_local")
def test_the_steps_that_are_done_twice_have_the_same_losses(
    train: Callable[..., Report], small: dict[str, Any], text_file: Path, tmp_path: Path
) -> None:
    run, screen = tmp_path / "run", io.StringIO()
    before: list[tuple[int, float]] = []

    def kill_second_worker() -> None:
        until = time.monotonic() + 150
        while not (before and before[-1][0] >= 30):
            assert time.monotonic() < until
            before[:] = [(row.step, row.loss) for row in read_metrics(run / "metrics.jsonl")]
            time.sleep(0.01)
        os.kill(read_attempts(run / "_state" / "attempts.jsonl")[0].processes[1], signal.SIGKILL)

    killer = threading.Thread(target=kill_second_worker)
    killer.start()
    settings = small | {"input": str(text_file), "output": str(run), "steps": STEPS, "checkpoint_every": 20}
    report = train(settings, Progress(screen))
    killer.join()
    first, again = read_attempts(run / "_state" / "attempts.jsonl")
    assert first.step == 0 and 0 < again.step < STEPS and again.step % 20 == 0
    after = [(row.step, row.loss) for row in read_metrics(run / "metrics.jsonl")]
    assert [step for step, _ in after] == list(range(1, STEPS + 1)) and after[: len(before)] == before
    assert report.held and report.figures["restarts"] == 1
    assert f"a worker was lost; all continue from step {again.step}" in screen.getvalue()
    if again.lost_steps:  # the kill may have come right behind a checkpoint
        assert f"lost {again.lost_steps} steps (" in screen.getvalue()
        assert f"since the checkpoint at step {again.step}" in screen.getvalue()
