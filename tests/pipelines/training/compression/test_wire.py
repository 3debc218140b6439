"""The bytes that are counted are those on the wire, as the kernel of a private network counts them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.training.compression.wire import ring_bytes

WORKERS = 2
# A network of its own has a loopback that nobody else uses, and that is down at first.
_ALONE = ["unshare", "--map-root-user", "--net", "sh", "-c"]
_UP = "ip link set lo up"


def private_network() -> bool:
    if not (shutil.which("unshare") and shutil.which("ip")):
        return False
    return subprocess.run([*_ALONE, _UP], capture_output=True).returncode == 0


@pytest.mark.skipif(not private_network(), reason="no network of one's own can be made here (unshare, ip)")
def test_the_kernel_sees_what_is_counted(tmp_path: Path) -> None:
    script = Path(__file__).with_name("wire_worker.py")
    workers = " & ".join(f'"{sys.executable}" "{script}" "{tmp_path}" {rank} {WORKERS}' for rank in range(WORKERS))
    done = subprocess.run([*_ALONE, f"{_UP}; {workers}; wait"], capture_output=True, timeout=200, text=True)
    assert (tmp_path / "bytes.json").exists(), done.stderr[-3000:]
    found = json.loads((tmp_path / "bytes.json").read_text())
    for counted, seen in found.values():
        # Headers of TCP and of gloo come on top.
        assert counted * WORKERS <= seen < counted * WORKERS * 1.05
    assert 31 < found["whole"][1] / found["signs"][1] < 33


def test_a_ring_sends_nothing_alone_and_nearly_twice_its_size_among_many() -> None:
    assert [ring_bytes(1000, workers) for workers in (1, 2, 4)] == [0, 1000, 1500]
