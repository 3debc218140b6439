from __future__ import annotations

import asyncio
import statistics
from pathlib import Path

import pytest

from benchmarks.serving.contestants import Generate, OwnEngine
from benchmarks.serving.engines import measure, memory_rows, speed_rows
from benchmarks.serving.models import ensure_model


def test_all_take_turns_and_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DANLU_CACHE", str(tmp_path / "cache"))
    checkpoint = ensure_model("tiny", tmp_path)
    contestants = [Generate("peer", checkpoint, "float32"), OwnEngine("own", checkpoint, threads=1)]
    rates = asyncio.run(measure(contestants, rounds=2, answer_tokens=8))
    assert {name: {n: len(found) for n, found in by.items()} for name, by in rates.items()} == {
        "peer": {1: 2, 16: 2},
        "own": {1: 2, 16: 2},
    }
    peer, own = speed_rows(rates)
    assert (peer[0], peer[2], peer[4], own[0]) == ("peer", "1.00x", "1.00x", "own")
    assert own[5] == f"{statistics.median(rates['own'][16]) / statistics.median(rates['own'][1]):.2f}x"


def test_the_share_of_the_bandwidth_is_bytes_times_tokens() -> None:
    rates = {"full": {1: [10.0, 20.0, 90.0]}, "half": {1: [20.0]}}
    rows = memory_rows(rates, {"full": 400_000_000, "half": 200_000_000}, read=16e9)
    assert rows == [["full", "400.0", "100.0%", "50%"], ["half", "200.0", "50.0%", "25%"]]
