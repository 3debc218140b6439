from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from benchmarks.processes import measure_command

BUSY = "import time\nwhile time.process_time() < {}: pass\n"


def test_time_of_children_counts_and_workers_are_told_by_their_name(tmp_path: Path) -> None:
    child = f"{BUSY.format(0.6)}\nx = bytearray(64 << 20)\nimport time; time.sleep(0.5)"
    script = f"import subprocess, sys\nsubprocess.run(['worker-1', '-c', {child!r}], executable=sys.executable)\n"
    script += BUSY.format(0.4)
    cost = measure_command([sys.executable, "-c", script], os.environ, log=str(tmp_path / "log"), worker_mark="worker-")
    assert 0.9 <= cost.cpu_s < 5
    assert cost.workers == 1
    assert cost.worker_peak_bytes > 64 << 20
    assert 0 < cost.driver_peak_bytes < cost.worker_peak_bytes


def test_a_command_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="out of tea"):
        measure_command([sys.executable, "-c", "raise SystemExit('out of tea')"], os.environ, log=str(tmp_path / "log"))
