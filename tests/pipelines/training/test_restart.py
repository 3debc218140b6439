"""Runs that are killed or stopped go on where they were, with the loss of an undisturbed run."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from danlu.report import Report
from danlu.run_directory import read_report
from pipelines.training.attempts import read_attempts
from pipelines.training.metrics import latest_metrics, read_metrics

STEPS = 240
WAIT_S = 400

pytestmark = pytest.mark.slow


@pytest.fixture
def settings(small: dict[str, Any], text_file: Path) -> dict[str, Any]:
    return small | {"input": str(text_file), "steps": STEPS, "checkpoint_every": 20, "validation_share": 0.1}


@pytest.fixture(scope="module")
def undisturbed_losses() -> list[float]:
    return []


@pytest.fixture
def expected(
    undisturbed_losses: list[float],
    settings: dict[str, Any],
    train: Callable[..., Report],
    ray_local: None,
    tmp_path: Path,
) -> list[float]:
    if not undisturbed_losses:
        train(settings | {"output": str(tmp_path / "undisturbed")})
        undisturbed_losses += losses(tmp_path / "undisturbed")
    return undisturbed_losses


def losses(run: Path) -> list[float]:
    rows = read_metrics(run / "metrics.jsonl")
    assert [row.step for row in rows] == list(range(1, STEPS + 1))
    return [row.loss for row in rows]


def wait_for_step(run: Path, step: int) -> int:
    """Wait until training has done `step`; returns the step it has got to."""
    until = time.monotonic() + WAIT_S
    while time.monotonic() < until:
        row = latest_metrics(run / "metrics.jsonl")
        if row is not None and row.step >= step:
            return row.step
        time.sleep(0.005)
    raise AssertionError(f"step {step} was not reached within {WAIT_S} s")


def test_a_killed_node(settings: dict[str, Any], expected: list[float], tmp_path: Path) -> None:
    config, run = tmp_path / "train.yaml", tmp_path / "run"
    config.write_text(yaml.safe_dump(settings | {"output": str(run)}, allow_unicode=True))
    driver = [sys.executable, str(Path(__file__).with_name("node_driver.py")), str(config), "70"]
    done = subprocess.run(driver, capture_output=True, text=True, timeout=WAIT_S * 2)
    assert done.returncode == 0, done.stderr[-4000:]
    killed = json.loads((run / "killed.json").read_text())
    first, again = read_attempts(run / "_state" / "attempts.jsonl")
    assert killed["worker"] == first.processes[1]
    assert again.step > 0 and again.step % 20 == 0
    assert losses(run) == expected


class Command:
    """`danlu train CONFIG` in a process session of its own, on a terminal as a user has it."""

    def __init__(self, config: Path) -> None:
        self.terminal, theirs = pty.openpty()
        run = [sys.executable, "-m", "cluster.command", "train", str(config)]
        self.process = subprocess.Popen(run, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
        os.close(theirs)
        self.output = b""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                self.output += os.read(self.terminal, 4096)
            except OSError:  # the other side is closed
                return

    def wait_for(self, text: bytes) -> None:
        until = time.monotonic() + WAIT_S
        while text not in self.output:
            assert time.monotonic() < until and self.process.poll() is None, self.output.decode()
            time.sleep(0.05)

    def interrupt(self) -> int:
        """Ctrl-C: the terminal signals the whole foreground group. Returns the exit code."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(WAIT_S)


@pytest.fixture
def command(settings: dict[str, Any], tmp_path: Path) -> Iterator[Callable[[], Command]]:
    config = tmp_path / "train.yaml"
    config.write_text(yaml.safe_dump(settings | {"output": str(tmp_path / "run")}, allow_unicode=True))
    started: list[Command] = []

    def start() -> Command:
        started.append(Command(config))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.kill()


def alive(processes: list[int], within_s: float = 20.0) -> list[int]:
    """Which of the processes are still there after a while."""
    until = time.monotonic() + within_s
    while time.monotonic() < until and any(map(psutil.pid_exists, processes)):
        time.sleep(0.1)
    return [process for process in processes if psutil.pid_exists(process)]


def test_ctrl_c_and_a_killed_driver(command: Callable[[], Command], expected: list[float], tmp_path: Path) -> None:
    run = tmp_path / "run"
    hasty = command()
    hasty.wait_for(b"start 2 workers")
    assert hasty.interrupt() == 130, hasty.output.decode()
    assert not read_metrics(run / "metrics.jsonl")

    first = command()
    reached = wait_for_step(run, 45)
    assert first.interrupt() == 130, first.output.decode()
    assert b"the workers save their position" in first.output
    workers = read_attempts(run / "_state" / "attempts.jsonl")[0].processes
    assert alive(workers) == []

    second = command()
    wait_for_step(run, 130)
    resumed = read_attempts(run / "_state" / "attempts.jsonl")[1]
    assert resumed.step >= reached, "Ctrl-C saves the step it came at"
    second.process.kill()
    assert alive(resumed.processes) == []

    third = command()
    assert third.process.wait(WAIT_S) == 0, third.output.decode()
    report = read_report(str(run))
    assert report is not None and report.held and report.figures["restarts"] == 2
    assert losses(run) == expected
