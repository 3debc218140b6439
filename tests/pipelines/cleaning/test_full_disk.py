"""A disk that is full: one clear error, nothing half-written, and the run goes on when there is room."""

from __future__ import annotations

import io
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from danlu.config import load_config
from danlu.errors import ResourceError
from danlu.progress import Progress
from danlu.run_directory import RunDirectory
from pipelines.cleaning import job, store
from pipelines.cleaning.config import CleanConfig

_MEGABYTES = 8


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    try:
        options = ["-t", "tmpfs", "-o", f"size={_MEGABYTES}m"]
        subprocess.run(["mount", *options, "tmpfs", str(folder)], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("mounting a small file system is not allowed here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path, left_bytes: int) -> Path:
    """Leave so much room."""
    ballast = disk / "ballast"
    ballast.write_bytes(bytes((_MEGABYTES << 20) - left_bytes))
    return ballast


def test_a_table_that_does_not_fit_leaves_nothing_half_written(small_disk: Path) -> None:
    table = pa.table({"vector": np.random.default_rng(0).random(200_000)})
    uri = str(small_disk / "run" / "table.parquet")
    store.write_table(str(small_disk / "run" / "before.parquet"), table.slice(0, 100))
    ballast = fill(small_disk, 1 << 20)
    with pytest.raises(ResourceError, match=r"no space left to write .*table\.parquet(.|\n)*same command again"):
        store.write_table(uri, table)
    assert sorted(path.name for path in (small_disk / "run").iterdir()) == ["before.parquet"]
    ballast.unlink()
    store.write_table(uri, table)
    assert store.read_table(uri).num_rows == 200_000


def test_a_run_goes_on_when_there_is_room_again(ray_local: None, small_disk: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    rows = [{"id": f"d{n}", "text": "".join(map(chr, rng.integers(0x4E00, 0x9FA0, 600)))} for n in range(400)]
    source = tmp_path / "raw.jsonl"
    source.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    config = load_config(CleanConfig, None, [f"input={source}", f"output={small_disk / 'run'}", "shard_documents=50",
                                             "filters=null", "semantic=null"])  # fmt: skip

    def run() -> None:
        with RunDirectory.open("clean", config, job.inputs(config)) as directory:
            directory.finish(job.run(config, directory, Progress(io.StringIO())))

    ballast = fill(small_disk, 900_000)
    with pytest.raises(ResourceError, match="no space left"):
        run()
    ballast.unlink()
    run()
    written = [row for folder in ("clean", "dropped") for file in (small_disk / "run" / folder).glob("*.parquet")
               for row in pq.read_table(file, columns=["id"]).to_pylist()]  # fmt: skip
    assert sorted(row["id"] for row in written) == sorted(row["id"] for row in rows)
