"""What Prometheus reads to find a local Ray of ours."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from fnmatch import fnmatch
from pathlib import Path

import pytest

from cluster.metrics_targets import announced
from danlu.metrics import TARGETS_FOLDER, TARGETS_NAME, TARGETS_PATTERN

ROOT = Path(__file__).resolve().parents[2]
SESSION = """
import time
from cluster.local_ray import ray_session
with ray_session(cpus=2):
    print("up", flush=True)
    time.sleep(120)
"""


def test_a_local_ray_is_found_while_it_runs() -> None:
    with subprocess.Popen([sys.executable, "-c", SESSION], stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None and process.stdout.readline() == "up\n"
        file = TARGETS_FOLDER / TARGETS_NAME.format(pid=process.pid)
        [entry] = json.loads(file.read_text())
        [target] = entry["targets"]
        with urllib.request.urlopen(f"http://{target}/metrics", timeout=20) as answer:
            assert "ray_" in answer.read().decode()
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)
    assert not file.exists()


def test_prometheus_looks_where_the_file_is() -> None:
    assert fnmatch(str(TARGETS_FOLDER / TARGETS_NAME.format(pid=os.getpid())), TARGETS_PATTERN)
    assert fnmatch("/tmp/ray/prom_metrics_service_discovery.json", TARGETS_PATTERN)  # what a Ray head writes


def test_what_a_killed_process_left_is_removed(ray_local: None, tmp_path: Path) -> None:
    with subprocess.Popen(["true"]) as gone:
        gone.wait()
    orphan, others = tmp_path / TARGETS_NAME.format(pid=gone.pid), tmp_path / "other.json"
    living = tmp_path / TARGETS_NAME.format(pid=os.getppid())
    for file in (orphan, others, living):
        file.write_text("[]")
    with announced(tmp_path) as own:
        assert json.loads(own.read_text())[0]["targets"]
        assert {file.name for file in tmp_path.iterdir()} == {own.name, others.name, living.name}
    assert not own.exists() and living.exists()


def test_a_folder_that_cannot_be_written_is_said_and_no_more(
    ray_local: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    with announced(tmp_path / "file"):
        pass
    assert "Prometheus will not find this Ray" in capsys.readouterr().err
