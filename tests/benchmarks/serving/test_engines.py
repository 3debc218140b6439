from __future__ import annotations

import asyncio
import statistics
from pathlib import Path

import pytest

from actors.engines.settings import StoredWeights
from benchmarks.serving.contestants import Generate, OwnEngine
from benchmarks.serving.engines import measure, memory_rows, speed_rows, token_bytes, weight_bytes
from benchmarks.serving.models import Sizes, ensure_model, write_model


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


@pytest.mark.parametrize("weights", ["fp32", "int8"])
def test_experts_that_a_token_does_not_use_are_not_read_for_it(
    weights: StoredWeights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DANLU_CACHE", str(tmp_path / "cache"))
    for name, used in (("some", 2), ("all", 8)):
        sizes = Sizes(
            vocabulary=300, hidden=64, inner=32, layers=1, heads=2, kv_heads=1, experts=8, experts_per_token=used
        )
        write_model(sizes, tmp_path / name)
    whole = weight_bytes(tmp_path / "all", weights)
    assert token_bytes(tmp_path / "all", weights) == whole
    unread = 6 * 3 * 64 * 32 * (4 if weights == "fp32" else 1)
    found = whole - token_bytes(tmp_path / "some", weights)
    assert unread <= found <= 1.2 * unread, "quantized matrices have scales beside them"
