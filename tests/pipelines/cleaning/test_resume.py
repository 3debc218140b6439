"""A run that is killed goes on with the same command and writes the same bytes."""

from __future__ import annotations

import io
import subprocess
import sys
import time
from pathlib import Path

import pytest

from danlu.config import load_config
from danlu.progress import Progress
from danlu.run_directory import RunDirectory
from examples.raw_documents import generate
from pipelines.cleaning import job
from pipelines.cleaning.config import CleanConfig

_SCRIPT = """
import sys
import ray
from danlu.config import load_config
from danlu.progress import Progress
from danlu.run_directory import RunDirectory
from pipelines.cleaning import job
from pipelines.cleaning.config import CleanConfig

ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False, configure_logging=False)
config = load_config(CleanConfig, None, sys.argv[1:])
with RunDirectory.open("clean", config, job.inputs(config)) as run:
    job.run(config, run, Progress())
"""


def _settings(raw: Path, output: Path) -> list[str]:
    # Many small shards, so that there is a middle to be killed in; no vectors, which the stop does not reach.
    return [f"input={raw}", f"output={output}", "workers=1", "shard_documents=20", "semantic=null"]


def _clean(raw: Path, output: Path) -> None:
    config = load_config(CleanConfig, None, _settings(raw, output))
    with RunDirectory.open("clean", config, job.inputs(config)) as run:
        job.run(config, run, Progress(io.StringIO()))


def _contents(run: Path) -> dict[str, bytes]:
    return {str(p.relative_to(run)): p.read_bytes() for f in ("clean", "dropped") for p in sorted((run / f).iterdir())}


def _kill_when(process: subprocess.Popen[bytes], found: Path, pattern: str, count: int) -> None:
    deadline = time.monotonic() + 120
    while len(list(found.glob(pattern))) < count:
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline, f"no {count} files {pattern} in {found}"
        time.sleep(0.005)
    process.kill()
    process.wait()


@pytest.mark.parametrize(("folder", "count"), [("_work/texts", 3)])
def test_killed_in_the_middle_it_ends_with_the_same_bytes(
    ray_local: None, tmp_path: Path, folder: str, count: int
) -> None:
    raw = tmp_path / "raw"
    generate(raw, documents=300, seed=5)
    stopped, whole = tmp_path / "stopped", tmp_path / "whole"
    process = subprocess.Popen([sys.executable, "-c", _SCRIPT, *_settings(raw, stopped)], stderr=subprocess.DEVNULL)
    _kill_when(process, stopped / folder, "*.parquet", count)
    finished = {path: path.stat().st_mtime_ns for path in (stopped / "_work").rglob("*.parquet")}
    assert not (stopped / "clean").exists()
    _clean(raw, stopped)
    _clean(raw, whole)
    assert _contents(stopped) == _contents(whole)
    # What was finished before the kill was not done again.
    assert len(finished) > count
    assert {path: path.stat().st_mtime_ns for path in finished} == finished
