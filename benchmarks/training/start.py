"""Seconds from `danlu train` to its first step, and where they go.

python -m benchmarks training.start --runs 5 --write docs/training.md
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.machine import describe_measurement
from benchmarks.tables import add_write_option, markdown_table, median_and_range, publish
from benchmarks.training.trainings import training


@dataclass(frozen=True)
class Start:
    """Seconds until the run directory was there, the text was tokens, the workers were up, and the first step done."""

    opened_s: float
    tokens_s: float
    workers_s: float
    step_s: float


def measure(folder: Path) -> Start:
    """Start a training and wait for its first step."""
    with training(folder) as run:
        state = run.output / "_state"
        return Start(
            run.wait_until((run.output / "lineage.json").exists),
            run.wait_until((state / "tokens.json").exists),
            run.wait_until(run.attempts),
            run.wait_until(run.step),
        )


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
        ["command and config read", median_and_range([s.opened_s for s in found])],
        ["Ray started, tokenizer trained, text encoded", median_and_range([s.tokens_s for s in found])],
        ["two workers up", median_and_range([s.workers_s for s in found])],
        ["first step done", median_and_range([s.step_s for s in found])],
    ]
    table = markdown_table(["seconds since the command", f"median of {len(found)} (range)"], rows)
    command = f"python -m benchmarks training.start --runs {options.runs}"
    publish("training.start", f"{table}\n\n{describe_measurement(command)}", options.write)


if __name__ == "__main__":
    main()
