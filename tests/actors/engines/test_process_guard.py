"""A command that ends with its parent: real processes."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from actors.engines import process_guard

# Starts a process of its own, tells its number, and waits.
_WITH_WORKER = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.{on_term} if "{on_term}" != "exit" else lambda *_: sys.exit(7))
worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(worker.pid, flush=True)
time.sleep(600)
"""


def guarded(*command: str) -> subprocess.Popen[str]:
    guard = [sys.executable, "-I", str(Path(process_guard.__file__)), *command]
    return subprocess.Popen(guard, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def with_worker(on_term: str) -> tuple[subprocess.Popen[str], psutil.Process, psutil.Process]:
    """The guard, its command and that one's worker, all running."""
    guard = guarded(sys.executable, "-c", _WITH_WORKER.format(on_term=on_term))
    assert guard.stdout is not None
    worker = psutil.Process(int(guard.stdout.readline()))
    command = worker.parent()
    assert command is not None
    return guard, command, worker


@pytest.mark.parametrize(
    ("program", "code"), [("raise SystemExit(3)", 3), ("import os; os.kill(os.getpid(), 9)", 137), ("pass", 0)]
)
def test_the_code_is_the_commands(program: str, code: int) -> None:
    assert guarded(sys.executable, "-c", program).wait(60) == code


def test_all_of_it_ends_when_the_parent_lets_go() -> None:
    guard, command, worker = with_worker("SIG_DFL")
    assert guard.stdin is not None
    guard.stdin.close()
    assert guard.wait(60) == 128 + signal.SIGTERM
    assert psutil.wait_procs([command, worker], timeout=60)[1] == []


def test_sigterm_is_passed_on_and_workers_left_behind_are_killed() -> None:
    guard, command, worker = with_worker("exit")
    guard.terminate()
    assert guard.wait(60) == 7
    assert psutil.wait_procs([command, worker], timeout=60)[1] == []


def test_what_does_not_heed_sigterm_is_killed(tmp_path: Path) -> None:
    hasty = tmp_path / "guard.py"
    source = Path(process_guard.__file__).read_text(encoding="utf-8")
    assert "GRACE_S = 10.0\n" in source
    hasty.write_text(source.replace("GRACE_S = 10.0\n", "GRACE_S = 0.2\n"), encoding="utf-8")
    command = [sys.executable, "-I", str(hasty), sys.executable, "-c", _WITH_WORKER.format(on_term="SIG_IGN")]
    guard = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert guard.stdin is not None and guard.stdout is not None
    worker = psutil.Process(int(guard.stdout.readline()))
    guard.stdin.close()
    assert guard.wait(60) == 128 + signal.SIGKILL
    assert psutil.wait_procs([worker], timeout=60)[1] == []
