from __future__ import annotations

from typing import Any

from danlu.report import Report
from pipelines.compression.config import CompressConfig
from pipelines.compression.report import build_report

FACTS: dict[str, dict[str, Any]] = {
    "convert": {"parameters": 1_000_000, "logit_error": 1e-6, "bytes": 4_000_000},
    "compress": {"bytes": 1_020_000, "folder_bytes": 1_500_000},
    "measure_quality": {"tokens": 400, "perplexity_before": 8.0, "perplexity_after": 8.08, "agreement": 0.97},
    "measure_speed": {"answer_tokens": 8, "before_1": 100.0, "after_1": 150.0, "before_8": 400.0, "after_8": 500.0},
    "copy_checkpoint": {"bytes": 4_100_000},
}


def report(changes: dict[str, dict[str, Any]] | None = None, **keys: Any) -> Report:
    facts = {step: {**values, **(changes or {}).get(step, {})} for step, values in FACTS.items()}
    return build_report(CompressConfig(input="in", output="out", **keys).resolved(), facts)


def held(found: Report) -> list[bool]:
    return [check.held for check in found.checks]


def test_figures_are_shares_and_ratios_of_the_facts() -> None:
    figures = report().figures
    assert figures["size_share"] == 0.255
    assert figures["speedup_1"] == 1.5
    assert figures["speedup_8"] == 1.25
    assert abs(float(figures["perplexity_rise"] or 0) - 0.01) < 1e-9


def test_a_good_compression_holds_every_check() -> None:
    assert held(report()) == [True] * 4
    assert held(report(quality_input="a.jsonl")) == [True] * 4


def test_each_check_can_fail() -> None:
    assert held(report({"convert": {"logit_error": 0.1}})) == [False, True, True, True]
    assert held(report({"compress": {"bytes": 1_300_000}})) == [True, False, True, True]
    assert held(report({"measure_quality": {"agreement": 0.9}})) == [True, True, False, True]
    assert held(report({"measure_speed": {"answer_tokens": 0}})) == [True, True, True, False]
    worse = {"measure_quality": {"perplexity_after": 8.2}}
    assert held(report(worse, quality_input="a.jsonl")) == [True, True, False, True]


def test_perplexity_may_fall() -> None:
    better = {"measure_quality": {"perplexity_after": 7.0}}
    assert report(better, quality_input="a.jsonl").held


def test_without_a_speed_measurement_there_are_no_speed_figures() -> None:
    found = report({"measure_speed": {}}, speed_rounds=0)
    assert not [name for name in found.figures if "tokens_per_s" in name]
    assert report().sections[0].kind == "table"
    assert len(report().sections[0].rows) == len(found.sections[0].rows) + 2  # type: ignore[union-attr]
