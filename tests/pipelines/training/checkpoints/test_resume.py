"""Real workers resume from each other's checkpoints: with the same numbers in the same layout, closely in any other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from actors.networks.build import build_config
from actors.networks.sizes import Sizes
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
    **{f"four-zero{stage}": (4, {"parallel": {"data": 4, "zero": stage}}) for stage in (1, 3)},
    "tensor": (2, {"parallel": {"tensor": 2}}),
    "tensor-zero1": (2, {"parallel": {"tensor": 2, "zero": 1}}),
    "four-tensor-zero1": (4, {"parallel": {"tensor": 2, "data": 2, "zero": 1}}),
    "four-tensor4": (4, {"parallel": {"tensor": 4}, "sizes": SHAPE | {"kv_heads": 4}}),
    "wide": (2, {"parallel": {"data": 2, "zero": 1}, "sizes": SHAPE | {"kv_heads": 4}}),
    "pipeline": (2, {"parallel": {"pipeline": 2}}),
    "four-pipeline-zero1": (4, {"parallel": {"data": 2, "pipeline": 2, "zero": 1}}),
    "four-pipeline-tensor": (4, {"parallel": {"pipeline": 2, "tensor": 2}}),
    # Three steps send whole gradients, so that the checkpoint at step 5 holds errors of signs.
    "onebit": (2, {"parallel": {"data": 2}, "gradient_compression": {"kind": "onebit", "warmup_steps": 3}}),
    "moe-zero1": (2, {"architecture": "moe", "parallel": {"data": 2, "zero": 1}}),
    "moe-tensor": (2, {"architecture": "moe", "parallel": {"tensor": 2}}),
    "moe-four-zero3": (4, {"architecture": "moe", "parallel": {"data": 4, "zero": 3}}),
    "moe-expert": (2, {"architecture": "moe", "parallel": {"data": 2, "expert": 2, "zero": 1}}),
    "moe-four-expert": (4, {"architecture": "moe", "parallel": {"data": 4, "expert": 2, "zero": 0}}),
    **{f"lora-zero{stage}": (2, {"lora": {"rank": 4}, "parallel": {"data": 2, "zero": stage}}) for stage in (1, 3)},
    "bf16-zero1": (2, {"precision": "bf16", "parallel": {"data": 2, "zero": 1}}),
    "bf16-zero2": (2, {"precision": "bf16", "parallel": {"data": 2, "zero": 2}}),
    "bf16-zero3": (2, {"precision": "bf16", "parallel": {"data": 2, "zero": 3}}),
}
# (what was saved, what goes on with it). The quick ones take two workers only.
QUICK = [
    ("onebit", "onebit"),
    ("zero1", "zero1"),
    ("zero3", "zero3"),
    ("zero1", "zero3"),
    ("zero3", "zero0"),
    ("zero1", "tensor"),
    ("zero1", "pipeline"),
]
SLOW = [
    *[
        (name, name)
        for name in (
            "zero0",
            "zero2",
            "moe-zero1",
            "tensor",
            "moe-tensor",
            "four-tensor-zero1",
            "pipeline",
            "four-pipeline-zero1",
        )
    ],
    *[(name, name) for name in ("bf16-zero1", "bf16-zero2", "bf16-zero3")],
    ("zero0", "zero3"),
    ("zero2", "zero1"),
    ("zero1", "alone"),
    ("zero3", "alone"),
    ("zero0", "four-zero3"),
    ("zero3", "four-zero1"),
    ("moe-zero1", "moe-four-zero3"),
    ("bf16-zero1", "bf16-zero3"),
    ("bf16-zero3", "bf16-zero2"),
    ("tensor", "zero3"),
    ("tensor", "alone"),
    ("tensor", "pipeline"),
    ("pipeline", "zero3"),
    ("tensor", "four-pipeline-zero1"),
    ("four-tensor-zero1", "four-pipeline-tensor"),
    ("tensor-zero1", "tensor"),
    ("zero1", "four-tensor-zero1"),
    ("wide", "four-tensor4"),
    ("moe-zero1", "moe-tensor"),
    ("moe-tensor", "moe-zero1"),
    ("moe-expert", "moe-expert"),
    ("moe-expert", "moe-zero1"),
    ("moe-zero1", "moe-expert"),
    ("moe-expert", "moe-four-expert"),
    ("lora-zero1", "lora-zero1"),
    ("lora-zero1", "lora-zero3"),
    ("lora-zero3", "lora-zero1"),
]


def case(folder: Path, layout: str, before: str | None, tokens: Path) -> dict[str, Any]:
    settings = LAYOUTS[layout][1]
    base = tokens.with_name("base")
    start = {"from": str(base)} if "lora" in settings else {}
    config = {
        "input": "unused",
        **start,
        "sizes": None if start else SHAPE | (EXPERTS if settings.get("architecture") == "moe" else {}),
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
        "checkpoint": str(base) if start else None,
    }


def run_workers(cases: list[dict[str, Any]], workers: int, folder: Path) -> None:
    file = folder / f"cases-{len(list(folder.glob('*.json')))}.json"
    file.write_text(json.dumps(cases))
    run = [sys.executable, str(Path(__file__).with_name("resume_worker.py")), str(file)]
    # Into files: nobody reads the pipes of the others while waiting for one, and a full one would stop its worker.
    logs = [file.with_suffix(f".{rank}.log") for rank in range(workers)]
    processes = []
    for rank, log in enumerate(logs):
        with open(log, "wb") as said:
            processes.append(subprocess.Popen([*run, str(rank), str(workers)], stderr=said, env=os.environ))
    try:
        codes = [process.wait(timeout=600) for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert codes == [0] * workers, "\n".join(log.read_text(errors="replace")[-2000:] for log in logs)


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory, text_file: Path, tokenizer_folder: Path) -> Path:
    folder = tmp_path_factory.mktemp("store") / "tokens"
    with Progress(StringIO()).stage("tokens") as stage:
        encode_files([str(text_file)], EncodingPlan("text", str(tokenizer_folder), 32, 0.1), folder, VOCABULARY, stage)
    # What adapters are trained beside.
    torch.manual_seed(0)
    shape = build_config("dense", Sizes(**SHAPE), VOCABULARY)
    AutoModelForCausalLM.from_config(shape, dtype=torch.float32).save_pretrained(folder.with_name("base"))
    return folder


def train_pairs(pairs: list[tuple[str, str]], folder: Path, tokens: Path) -> Path:
    """Train what is saved, then what goes on; workers are started once for each number of them and each of the two."""
    saved = list(dict.fromkeys((None, before) for before, _ in pairs))
    for wanted in (saved, pairs):
        for workers in (2, 1, 4):
            cases = [case(folder, after, before, tokens) for before, after in wanted if LAYOUTS[after][0] == workers]
            if cases:
                run_workers(cases, workers, folder)
    return folder


@pytest.fixture(scope="module")
def quick_runs(tmp_path_factory: pytest.TempPathFactory, tokens: Path) -> Path:
    return train_pairs(QUICK, tmp_path_factory.mktemp("quick"), tokens)


@pytest.fixture(scope="module")
def slow_runs(tmp_path_factory: pytest.TempPathFactory, tokens: Path) -> Path:
    return train_pairs(SLOW, tmp_path_factory.mktemp("slow"), tokens)


def losses(folder: Path) -> list[float]:
    rows = read_metrics(folder / "metrics.jsonl")
    assert rows[-1].step == STEPS
    return [row.loss for row in rows][-5:]


def require_going_on(runs: Path, before: str, after: str) -> None:
    """Bit by bit in the same layout, with the same random numbers; closely in another, and saying so."""
    resumed = runs / f"{before}-then-{after}"
    told = [json.loads((run / "notes-0.json").read_text()) for run in (runs / before, resumed)]
    if before == after:
        assert losses(resumed) == losses(runs / before)
        assert told[0] == told[1]
    else:
        assert losses(resumed) == pytest.approx(losses(runs / before), rel=2e-2 if "bf16" in before else 1e-4)
        assert told[1][0] == [f"the checkpoint of {in_words(before)} goes on with {in_words(after)}"]


def in_words(layout: str) -> str:
    axes = LAYOUTS[layout][1]["parallel"]
    names = ("data", "pipeline", "tensor", "expert")
    sizes = [f"parallel.{axis}={axes[axis]}" for axis in names if axes.get(axis, 1) > 1]
    return f"{', '.join(sizes) or 'parallel.data=1'}, parallel.zero={axes.get('zero', 0)}"


@pytest.mark.parametrize(("before", "after"), QUICK)
def test_training_goes_on(quick_runs: Path, before: str, after: str) -> None:
    require_going_on(quick_runs, before, after)


@pytest.mark.slow
@pytest.mark.parametrize(("before", "after"), SLOW)
def test_training_goes_on_in_every_mode(slow_runs: Path, before: str, after: str) -> None:
    require_going_on(slow_runs, before, after)


@pytest.mark.slow
def test_compression_is_taken_up_and_left_when_a_run_goes_on(
    tmp_path_factory: pytest.TempPathFactory, tokens: Path
) -> None:
    """What the checkpoint says is taken over either way: the losses agree until the updates differ."""
    pairs = [("zero0", "onebit"), ("onebit", "zero0"), ("onebit", "alone")]
    runs = train_pairs(pairs, tmp_path_factory.mktemp("compression"), tokens)
    for (before, after), alike in zip(pairs, (4, 1, 1), strict=True):
        found, expected = losses(runs / f"{before}-then-{after}"), losses(runs / before)
        assert found[:alike] == pytest.approx(expected[:alike], rel=1e-4)
        assert found != expected
        assert found == pytest.approx(expected, rel=0.1)
