"""`danlu train` as a command of its own on made-up text, watched from outside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from benchmarks.machine import REPOSITORY
from danlu.errors import RunError
from pipelines.training.attempts import Attempt, read_attempts
from pipelines.training.metrics import StepMetrics, latest_metrics

_LOOK_EVERY_S = 0.01
_PATIENCE_S = 600.0
_END_WITHIN_S = 20.0
_SHAPE = {"layers": 2, "hidden": 64, "intermediate": 128, "heads": 4, "kv_heads": 2, "head_dim": 16, "context": 128}


@dataclass
class Training:
    """A command under way. Times are seconds on the clock since it was started."""

    process: subprocess.Popen[bytes]
    output: Path
    log: Path
    began: float

    def now(self) -> float:
        return time.perf_counter() - self.began

    def processor_s(self) -> dict[str, float]:
        """Processor seconds of the command and of all processes under it that are still there, by what they are."""
        found: dict[str, float] = {}
        command = psutil.Process(self.process.pid)
        for process in [command, *command.children(recursive=True)]:
            with suppress(psutil.Error):
                times, line = process.cpu_times(), process.cmdline()
                name = "the command" if process.pid == command.pid else _kind(line)
                found[name] = found.get(name, 0.0) + times.user + times.system
        return found

    def attempts(self) -> list[Attempt]:
        return read_attempts(self.output / "_state" / "attempts.jsonl")

    def step(self) -> StepMetrics | None:
        """The newest step."""
        return latest_metrics(self.output / "metrics.jsonl")

    def wait_until(self, holds: Callable[[], Any]) -> float:
        """When `holds` became true.

        Raises:
            RunError: the command ended before.
        """
        while not holds():
            if self.process.poll() is not None or self.now() > _PATIENCE_S:
                raise RunError("training ended too early", rule=self.log.read_text(errors="replace")[-1000:])
            time.sleep(_LOOK_EVERY_S)
        return self.now()


def _end(command: subprocess.Popen[bytes]) -> None:
    """Kill the command, and wait until Ray's processes have followed it: they would take part in the next run."""
    under = []
    with suppress(psutil.Error):
        under = psutil.Process(command.pid).children(recursive=True)
    command.kill()
    command.wait()
    _, left = psutil.wait_procs(under, timeout=_END_WITHIN_S)
    for process in left:
        with suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(left)


def _kind(line: list[str]) -> str:
    """Ray's workers rename themselves `ray::...`; of the rest, the last file named says most."""
    if line and line[0].startswith("ray::"):
        return line[0].partition(" ")[0]
    return "Ray's own processes"


@contextmanager
def training(folder: Path, **settings: Any) -> Iterator[Training]:
    """Start a small training in `folder` with two workers; killed at the end if it still runs."""
    folder.mkdir(parents=True)
    data = folder / "text.jsonl"
    with open(data, "w", encoding="utf-8") as stream:
        for number in range(500):
            text = f"第{number}号公告：客户可以在手机上办理第{number % 7}类业务，{number % 30}日内生效。" * 3
            stream.write(json.dumps({"text": text}, ensure_ascii=False) + "\n")
    values = {
        "input": str(data),
        "output": str(folder / "run"),
        "sizes": _SHAPE,
        "batch": {"sequences": 8, "length": 64},
        "parallel": {"data": 2, "zero": 1},
        "tokenizer": {"vocabulary": 600},
        "steps": 1_000_000,
        **settings,
    }
    config = folder / "train.yaml"
    config.write_text(json.dumps(values), encoding="utf-8")  # JSON is YAML
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONUNBUFFERED": "1"}
    log = folder / "train.log"
    command = [sys.executable, "-m", "cluster.command", "train", str(config)]
    with open(log, "wb") as said:
        began = time.perf_counter()
        process = subprocess.Popen(command, env=environment, cwd=REPOSITORY, stdout=said, stderr=subprocess.STDOUT)
    try:
        yield Training(process, folder / "run", log, began)
    finally:
        _end(process)
