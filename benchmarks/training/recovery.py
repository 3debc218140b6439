"""Seconds from `kill -9` of a worker to the next step of training, and what was lost.

python -m benchmarks training.recovery --runs 5 --write docs/training.md
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.machine import describe_measurement
from benchmarks.tables import add_write_option, markdown_table, median_and_range, publish
from benchmarks.training.trainings import training

_EVERY = 50  # steps between checkpoints
_KILLED_AFTER = 120


@dataclass(frozen=True)
class Recovery:
    """Seconds from the kill until all workers were up again with the checkpoint loaded, until the next step was done,
    and of training that was lost; steps lost."""

    ready_s: float
    next_step_s: float
    lost_steps: int
    lost_s: float


def measure(folder: Path) -> Recovery:
    """Train, kill the second worker, and wait for the first step after that."""
    with training(folder, checkpoint_every=_EVERY) as run:
        run.wait_until(lambda: (row := run.step()) is not None and row.step >= _KILLED_AFTER)
        os.kill(run.attempts()[0].processes[1], signal.SIGKILL)
        killed = run.now()
        ready = run.wait_until(lambda: len(run.attempts()) == 2)
        again = run.attempts()[1]
        stepped = run.wait_until(lambda: (row := run.step()) is not None and row.step > again.step)
        return Recovery(ready - killed, stepped - killed, again.lost_steps, again.lost_seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    add_write_option(parser)
    options = parser.parse_args()
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(options.runs):
            found.append(measure(Path(folder, str(number))))
            print(found[-1], file=sys.stderr)
    rows = [
        ["all workers up again, checkpoint loaded (s)", median_and_range([r.ready_s for r in found])],
        ["next step done (s)", median_and_range([r.next_step_s for r in found])],
        ["training lost (s)", median_and_range([r.lost_s for r in found])],
        [f"steps lost, of {_EVERY} between checkpoints", median_and_range([float(r.lost_steps) for r in found])],
    ]
    table = markdown_table(["from `kill -9` of one of two workers", f"median of {len(found)} (range)"], rows)
    command = f"python -m benchmarks training.recovery --runs {options.runs}"
    publish("training.recovery", f"{table}\n\n{describe_measurement(command)}", options.write)


if __name__ == "__main__":
    main()
