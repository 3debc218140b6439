"""What the replay of a trace makes of its file and of what it saw."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.serving.trace import Arrival, Sample, mean_of, read_trace

TRACE = """TIMESTAMP,ContextTokens,GeneratedTokens\r
2023-11-16 18:15:46.6805900,374,44\r
2023-11-16 18:15:47.0000000,10,7\r
2023-11-16 18:15:56.6805900,396,0\r
"""


def test_every_nth_request_faster_than_it_came(tmp_path: Path) -> None:
    file = tmp_path / "trace.csv"
    file.write_text(TRACE, encoding="utf-8-sig", newline="")
    assert read_trace(file, speed=20, one_of=2) == [Arrival(0.0, 44), Arrival(0.5, 1)]
    assert len(read_trace(file, speed=1, one_of=1)) == 3


def test_means_are_over_time() -> None:
    samples = [Sample(0.0, 4, 1, 0), Sample(1.0, 8, 3, 1), Sample(4.0, 0, 3, 0)]
    assert mean_of(samples, "in_flight") == pytest.approx((4 + 3 * 8) / 4)
    assert mean_of(samples, "running") == pytest.approx((1 + 3 * 3) / 4)
