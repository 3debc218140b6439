"""`danlu train gradient_compression=onebit`, with real Ray Train workers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from danlu.report import Report
from pipelines.training.metrics import read_metrics

pytestmark = pytest.mark.usefixtures("ray_local")


def test_a_run_reports_what_its_gradients_cost(
    train: Callable[..., Report], small: dict[str, Any], text_file: Path, tmp_path: Path
) -> None:
    compression = {"kind": "onebit", "warmup_steps": 5, "refresh_every": 10}
    values = {"input": str(text_file), "output": str(tmp_path / "run"), "steps": 30, "parallel": {"data": 2}}
    report = train(small | values | {"gradient_compression": compression})
    assert report.held, report.checks
    rows = read_metrics(tmp_path / "run" / "metrics.jsonl")
    payloads = [row.gradient_payload_bytes for row in rows]
    assert payloads[:5] == [0] * 5 and len(set(payloads[5:])) == 1
    figures = report.figures
    assert 1 / 32 < figures["gradient_payload_ratio"] < 1 / 31
    # Whole gradients at 5 of 30 steps, signs at 25, and whole squares at 3 of these.
    expected = 8 / 30 + 25 / 30 * figures["gradient_payload_ratio"]
    assert figures["gradient_traffic_ratio"] == pytest.approx(expected, rel=0.01)

    del values["steps"]
    adapters = {"from": str(tmp_path / "run"), "lora": {"rank": 4}, "output": str(tmp_path / "adapters"), "steps": 12}
    fresh = {key: value for key, value in small.items() if key not in ("sizes", "tokenizer")}
    tuned = train(fresh | values | adapters | {"gradient_compression": compression})
    assert [check.held for check in tuned.checks if "logits" in check.name] == [True]
    losses = [row.loss for row in read_metrics(tmp_path / "adapters" / "metrics.jsonl")]
    assert max(losses) < 1.2 * losses[0]
    sent, all_weights = (read_metrics(tmp_path / run / "metrics.jsonl")[-1] for run in ("adapters", "run"))
    assert 0 < sent.gradient_whole_bytes < all_weights.gradient_whole_bytes, "adapters alone are sent"
