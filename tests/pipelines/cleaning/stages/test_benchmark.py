"""The index of benchmarks in a run directory."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from danlu.config import load_config
from danlu.errors import InputError
from danlu.progress import Progress
from danlu.run_directory import RunDirectory
from pipelines.cleaning.config import CleanConfig, DecontaminateConfig
from pipelines.cleaning.keys import comparison_key
from pipelines.cleaning.layout import Layout
from pipelines.cleaning.stages.benchmark import Benchmark, index_benchmark, load_benchmark

CHINESE = "某商店把一件进价为八十元的上衣提价一半后再打八折出售，问商店每卖一件赚多少元？"
ENGLISH = "Which of the following gases makes up most of the atmosphere of the earth at the level of the sea?"


def _index(folder: Path, **settings: object) -> tuple[dict[str, int], Benchmark]:
    block = DecontaminateConfig(**{"against": str(folder / "bench"), **settings})  # type: ignore[arg-type]
    config = load_config(CleanConfig, None, ["input=raw", f"output={folder / 'run'}"])
    with RunDirectory.open("clean", config, []) as run:
        facts = index_benchmark(block, run, Progress(io.StringIO()))
        assert index_benchmark(block, run, Progress(io.StringIO())) == facts
        return facts, load_benchmark(Layout(run.uri), block.overlap)


def _write(folder: Path, name: str, *questions: str) -> None:
    (folder / "bench").mkdir(exist_ok=True)
    rows = [json.dumps({"question": question}, ensure_ascii=False) for question in questions]
    (folder / "bench" / name).write_text("\n".join(rows), encoding="utf-8")


def test_both_scripts_are_found_and_named(tmp_path: Path) -> None:
    _write(tmp_path, "math.jsonl", "多少？", CHINESE, CHINESE.replace("，", " "))
    _write(tmp_path, "arc.jsonl", ENGLISH)
    facts, benchmark = _index(tmp_path)
    assert facts == {"passages": 2, "short_passages": 1, "template_passages": 0}
    held = benchmark.find(comparison_key(f"第 3 题 {CHINESE} 解：十六元。"))
    assert held == f"100% of the 13-grams of math.jsonl#1 question ({CHINESE[:24]}…)"
    held = benchmark.find(comparison_key(f"题目是 {ENGLISH}"))
    assert held == f"100% of the 39-grams of arc.jsonl#0 question ({ENGLISH[:24]}…)"
    assert benchmark.find(comparison_key("某商店把一件上衣打八折出售，一共卖了三百件，赚了不少。")) is None


def test_one_script_alone_will_do(tmp_path: Path) -> None:
    _write(tmp_path, "arc.jsonl", ENGLISH)
    facts, benchmark = _index(tmp_path)
    assert facts["passages"] == 1
    assert benchmark.find(comparison_key(ENGLISH)) is not None
    assert benchmark.find(comparison_key(CHINESE)) is None


def test_the_files_order_does_not_matter(tmp_path: Path) -> None:
    for folder, names in (("one", ("a", "b")), ("two", ("b", "a"))):
        (tmp_path / folder).mkdir()
        for name, question in zip(names, (CHINESE, ENGLISH), strict=True):
            _write(tmp_path / folder, f"{name}.jsonl", question)
    results = [_index(tmp_path / folder)[1].find(comparison_key(CHINESE + ENGLISH)) for folder in ("one", "two")]
    assert [result.split(" of ")[0] for result in results if result] == ["100%", "100%"]


def test_passages_that_are_all_phrases_are_refused(tmp_path: Path) -> None:
    _write(tmp_path, "a.jsonl", "多少？", "why not?")
    with pytest.raises(InputError, match=r"none of its 2 texts has decontaminate\.min_characters 13"):
        _index(tmp_path)
