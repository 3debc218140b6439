"""Freed memory goes back to the operating system."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="of the allocator of glibc")

_SCATTER = """
import time, psutil
from actors.engines.freed_memory import keep_releasing, release_freed_memory

def resident() -> int:
    return psutil.Process().memory_info().rss // 2**20

blocks = [bytes(16_000) for _ in range(12_000)]  # 183 MiB in blocks that are no mappings of their own
full = resident()
kept = blocks[::64]
del blocks  # what is kept lies on every 64th place, up to the end
scattered = resident()
"""
_AT_ONCE = _SCATTER + "release_freed_memory(); print(full, scattered, resident())"
_IN_TIME = (
    _SCATTER
    + """
keep_releasing(every_s=0.05)
until = time.monotonic() + 20
while resident() > full - 150 and time.monotonic() < until:
    time.sleep(0.05)
print(full, scattered, resident())
"""
)


@pytest.mark.parametrize("script", [_AT_ONCE, _IN_TIME], ids=["at once", "in time"])
def test_free_pages_between_blocks_that_stay_are_given_back(script: str) -> None:
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    full, scattered, released = map(int, done.stdout.split())
    assert full - scattered < 20, "the allocator gave them back by itself: this test shows nothing"
    assert full - released > 150
