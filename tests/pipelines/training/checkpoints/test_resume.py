"""Real workers resume from each other's checkpoints: with the same numbers in the same layout, closely in any other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from danlu.progress import Progress
from pipelines.training.encoding import EncodingPlan, encode_files
from pipelines.training.metrics import read_metrics

VOCABULARY, STEPS = 400, 10
SHAPE = {"layers": 2, "hidden": 32, "intermediate": 64, "heads": 4, "kv_heads": 2, "head_dim": 8, "context": 128}
EXPERTS = {"experts": 4, "experts_per_token": 2, "expert_intermediate": 32}

# name: workers, and what is special about the config
LAYOUTS: dict[str, tuple[int, dict[str, Any]]] = {
    "alone": (1, {"parallel": {"data": 1, "zero": 0}}),
    **{f"zero{stage}": (2, {"parallel": {"data": 2, "zero": stage}}) for stage in range(4)},
    "onebit-zero0": (
        2,
        {"parallel": {"data": 2}, "gradient_compression": {"kind": "onebit", "warmup_steps": 3, "refresh_every": 4}},
    ),
    **{f"four-zero{stage}": (4, {"parallel": {"data": 4, "zero": stage}}) for stage in (1, 3)},
    "moe-zero1": (2, {"architecture": "moe", "parallel": {"data": 2, "zero": 1}}),
    "moe-four-zero3": (4, {"architecture": "moe", "parallel": {"data": 4, "zero": 3}}),
    "bf16-zero1": (2, {"precision": "bf16", "parallel": {"data": 2, "zero": 1}}),
    "bf16-zero2": (2, {"precision": "bf16", "parallel": {"data": 2, "zero": 2}}),
    "bf16-zero3": (2, {"precision": "bf16", "parallel": {"data": 2, "zero": 3}}),
    "tensor2": (2, {"parallel": {"data": 1, "tensor": 2, "zero": 1}}),
    "pipeline2": (2, {"parallel": {"data": 1, "pipeline": 2, "zero": 0}}),
    "data2-pipeline2": (4, {"parallel": {"data": 2, "pipeline": 2, "zero": 1}}),
    "moe-tensor2": (2, {"architecture": "moe", "parallel": {"data": 1, "tensor": 2, "zero": 3}}),
}
SAVED = ["zero0", "onebit-zero0", "zero1", "zero2", "zero3", "moe-zero1", "bf16-zero1", "bf16-zero2", "bf16-zero3"]
SAVED += ["tensor2", "pipeline2"]
MOVED = [
    ("zero0", "zero3"),
    ("zero2", "zero1"),
    ("zero3", "zero0"),
    ("zero1", "alone"),
    ("zero3", "alone"),
    ("zero0", "four-zero3"),
    ("zero3", "four-zero1"),
    ("moe-zero1", "moe-four-zero3"),
    ("bf16-zero1", "bf16-zero3"),
    ("bf16-zero3", "bf16-zero2"),
    ("zero1", "tensor2"),
    ("tensor2", "pipeline2"),
    ("pipeline2", "zero3"),
    ("tensor2", "data2-pipeline2"),
    ("moe-zero1", "moe-tensor2"),
]


def case(folder: Path, layout: str, before: str | None, tokens: Path) -> dict[str, Any]:
    settings = LAYOUTS[layout][1]
    config = {
        "input": "unused",
        "sizes": SHAPE | (EXPERTS if settings.get("architecture") == "moe" else {}),
        "steps": STEPS,
        "batch": {"sequences": 8, "length": 32},
        "optimizer": {"learning_rate": 5e-3, "gradient_clipping": 0.5},
        "checkpoint_every": 5,
        **settings,
    }
    name = layout if before is None else f"{before}-then-{layout}"
    return {
        "folder": str(folder / name),
        "from": None if before is None else str(folder / before),
        "tokens": str(tokens),
        "config": config,
        "kind": "text",
        "vocabulary": VOCABULARY,
    }


def run_workers(cases: list[dict[str, Any]], workers: int, folder: Path) -> None:
    file = folder / f"cases-{workers}.json"
    file.write_text(json.dumps(cases))
    run = [sys.executable, str(Path(__file__).with_name("resume_worker.py")), str(file)]
    processes = [
        subprocess.Popen([*run, str(rank), str(workers)], stderr=subprocess.PIPE, env=os.environ)
        for rank in range(workers)
    ]
    errors = [process.communicate(timeout=280)[1].decode() for process in processes]
    assert [process.returncode for process in processes] == [0] * workers, "\n".join(errors)[-4000:]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, text_file: Path, tokenizer_folder: Path) -> Path:
    folder = tmp_path_factory.mktemp("resume")
    plan = EncodingPlan("text", str(tokenizer_folder), 32, 0.1)
    from io import StringIO

    with Progress(StringIO()).stage("tokens") as stage:
        encode_files([str(text_file)], plan, folder / "tokens", VOCABULARY, stage)
    again = [(name, name) for name in SAVED]
    for workers in (2, 1, 4):
        saved = [(None, name) for name in SAVED if LAYOUTS[name][0] == workers]
        resumed = [(before, name) for before, name in again + MOVED if LAYOUTS[name][0] == workers]
        run_workers([case(folder, n, before, folder / "tokens") for before, n in saved + resumed], workers, folder)
    return folder


def losses(folder: Path) -> list[float]:
    return [row.loss for row in read_metrics(folder / "metrics.jsonl")][-5:]


@pytest.mark.parametrize("name", SAVED)
def test_the_same_layout_goes_on_bit_by_bit(runs: Path, name: str) -> None:
    assert len(losses(runs / name)) == 5
    assert losses(runs / f"{name}-then-{name}") == losses(runs / name)
    notes = [
        [json.loads((runs / run / f"notes-{rank}.json").read_text()) for rank in range(2)]
        for run in (name, f"{name}-then-{name}")
    ]
    assert notes[0] == notes[1], "no word of another layout, and the same random numbers"


@pytest.mark.parametrize(("before", "after"), MOVED)
def test_another_layout_goes_on_closely(runs: Path, before: str, after: str) -> None:
    folder = runs / f"{before}-then-{after}"
    assert losses(folder) == pytest.approx(losses(runs / before), rel=2e-2 if "bf16" in before else 1e-4)
    (note,), _ = json.loads((folder / "notes-0.json").read_text())
    assert note.startswith("the checkpoint of parallel.") and " goes on with parallel." in note
