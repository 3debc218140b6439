"""Counting a step, the planner's figures beside it, and the fit of its constants."""

from __future__ import annotations

import pytest
import torch

from benchmarks.training.counted_steps import _held_bytes, _rise_of_step
from benchmarks.training.planner import fit, predicted, report
from benchmarks.training.planner_measured import all_cases, count_all, planned
from pipelines.training.planner.anchors import RUNS
from pipelines.training.planner.cluster import PRESETS
from pipelines.training.planner.memory import memory_of
from pipelines.training.planner.traffic import flows_of


class Event:
    def __init__(self, name: str, at: int, size: int = 0) -> None:
        self._values = name, at, size

    def name(self) -> str:
        return self._values[0]

    def start_ns(self) -> int:
        return self._values[1]

    def nbytes(self) -> int:
        return self._values[2]


def test_memory_of_a_step_is_counted_between_its_marks() -> None:
    events = [
        Event("[memory]", 1, 100),
        Event("danlu step 2", 5),
        Event("[memory]", 7, -20),
        Event("[memory]", 6, 40),
        Event("aten::mm", 6),
        Event("danlu step 3", 8),
        Event("[memory]", 9, 1000),
    ]
    assert _rise_of_step(events, 2) == 40


def test_a_storage_is_counted_once() -> None:
    before = _held_bytes()
    whole = torch.zeros(1000, dtype=torch.float32)
    half = whole[:500]
    assert _held_bytes() - before == 4000 and len(half) == 500


def test_every_published_run_is_in_the_report() -> None:
    text = report(RUNS)
    assert all(f"| {run.name} | {run.source} |" in text for run in RUNS)
    assert all(run.url in text for run in RUNS)
    assert "median" in text and "worst" in text


def test_the_fit_comes_nearer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.training.planner._TURNS", 60)
    runs = [run for run in RUNS if run.fitted][:4]
    values = fit(runs)
    assert 0.3 <= values["link_share"] <= 0.8 and 0.3 <= values["H100 SXM"] <= 0.95
    assert all(predicted(run) > 0 for run in runs)


@pytest.mark.slow
def test_a_real_step_holds_and_sends_what_the_planner_says() -> None:
    """Two gloo processes, the trainer as it is: peak memory within a tenth, traffic within a hundredth."""
    wanted = {"tiny, ZeRO-0", "tiny, ZeRO-1, recomputed", "tiny, ZeRO-3"}
    cases = [case for case in all_cases() if case["name"] in wanted]
    for case, count in zip(cases, count_all(cases), strict=True):
        workload, choice = planned(case)
        assert memory_of(workload, choice).total == pytest.approx(count["peak_bytes"], rel=0.1)
        flows = flows_of(workload, choice, PRESETS["cpu"].of(2))
        assert sum(flow.payload_bytes for flow in flows) == pytest.approx(sum(count["sent"].values()), rel=0.01)
