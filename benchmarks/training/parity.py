"""Every way to spread training over processes, beside one plain process: how far the losses are apart.

    python -m benchmarks training.parity

Each row is a run of 20 steps by gloo processes on this machine, without Ray. It is compared with one process in fp32
that knows of no DeepSpeed, no shards, no padding and no bf16 (`benchmarks/training/one_process.py`): same first
weights, same data. The difference is the largest over the steps, relative to the loss. The last column loads the
exported checkpoint in plain transformers: the largest difference of a logit from the network that was trained, relative
to the largest logit (in bf16 with experts: of three quarters of the tokens).
"""

from __future__ import annotations

import argparse
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.machine import describe_measurement
from benchmarks.tables import Cell, add_write_option, markdown_table, publish
from benchmarks.training.gloo import Case, train_cases
from benchmarks.training.made_up import make_stores
from benchmarks.training.one_process import PlainStep, plain_training
from pipelines.training.export import logit_difference
from pipelines.training.metrics import read_metrics
from pipelines.training.plan import TrainingPlan
from pipelines.training.sources import Kind

STEPS, VOCABULARY, LENGTH = 20, 400, 48
SHAPE = {"layers": 4, "hidden": 32, "intermediate": 64, "heads": 4, "kv_heads": 2, "head_dim": 8, "context": 128}
EXPERTS = {"experts": 4, "experts_per_token": 2, "expert_intermediate": 32}
TARGET = 1e-4

# (data, architecture, data * pipeline * tensor, ZeRO stage, more)
_Row = tuple[Kind, str, tuple[int, int, int], int, str]
ROWS: tuple[_Row, ...] = (
    *[("text", kind, (2, 1, 1), zero, "") for kind in ("dense", "moe") for zero in range(4)],
    *[("text", kind, (1, 1, 2), 0, "") for kind in ("dense", "moe")],
    *[("text", kind, (1, 2, 1), 0, "") for kind in ("dense", "moe")],
    *[("text", kind, (2, 1, 2), zero, "") for kind in ("dense", "moe") for zero in range(4)],
    *[("text", kind, (2, 2, 1), zero, "") for kind in ("dense", "moe") for zero in (0, 1)],
    *[("text", kind, (2, 2, 2), zero, "") for kind in ("dense", "moe") for zero in (0, 1)],
    *[("chat", kind, (2, 2, 2), 1, "") for kind in ("dense", "moe")],
    *[("text", "moe", (2, 1, 1), zero, "expert 2") for zero in range(3)],
    *[("text", kind, (2, 1, 1), 3, "recompute") for kind in ("dense", "moe")],
    *[("text", kind, (2, 1, 2), 3, "recompute") for kind in ("dense", "moe")],
    *[("text", kind, (2, 2, 2), 1, "recompute") for kind in ("dense", "moe")],
    *[("text", kind, (2, 1, 1), 1, "bf16") for kind in ("dense", "moe")],
    *[("text", kind, (2, 1, 2), 3, "bf16") for kind in ("dense", "moe")],
    *[("text", kind, (2, 2, 2), 1, "bf16") for kind in ("dense", "moe")],
)


def case_of(row: _Row) -> Case:
    """The settings of a row."""
    data, architecture, (replicas, stages, parts), zero, more = row
    settings: dict[str, Any] = {
        "architecture": architecture,
        "sizes": SHAPE | (EXPERTS if architecture == "moe" else {}),
        "steps": STEPS,
        "batch": {"sequences": 16, "length": LENGTH},
        "parallel": {
            "data": replicas,
            "pipeline": stages,
            "tensor": parts,
            "expert": 2 if more == "expert 2" else 1,
            "zero": zero,
        },
        "optimizer": {"learning_rate": 5e-3},
        "precision": "bf16" if more == "bf16" else "fp32",
        "recompute": more == "recompute",
    }
    return Case(data, settings)


def largest_difference(losses: Iterable[float], expected: Iterable[float]) -> float:
    """The largest relative difference of two curves of the same length."""
    return max(abs(loss - other) / abs(other) for loss, other in zip(losses, expected, strict=True))


def results_table(rows: Iterable[_Row], results: Mapping[_Row, tuple[float, float, float]]) -> str:
    """One line per run."""
    lines: list[list[Cell]] = []
    for row in rows:
        data, architecture, (replicas, stages, parts), zero, more = row
        loss, router, logit = results[row]
        spread = f"{replicas} x {stages} x {parts}"
        router_cell = f"{router:.1e}" if architecture == "moe" else None
        lines.append([f"{architecture}, {data}", spread, zero, more, f"{loss:.1e}", router_cell, f"{logit:.1e}"])
    columns = [
        "network, data",
        "data x pipeline x tensor",
        "ZeRO",
        "",
        "loss",
        "router loss",
        "exported logits",
    ]
    return markdown_table(columns, lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="rows whose text contains this, such as `moe` or `(2, 2, 2)`")
    parser.add_argument("--keep", type=Path, help="train in this new folder and leave it there")
    add_write_option(parser)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = [row for row in ROWS if arguments.only in str(row)]
    with tempfile.TemporaryDirectory(prefix="danlu-bench-") as scratch:
        folder = arguments.keep or Path(scratch, "parity")
        folder.mkdir(parents=True)
        results = measure(rows, folder)
    table = results_table(rows, results)
    exact = [results[row][0] for row in rows if row[4] != "bf16"]
    note = f"Largest in fp32: {max(exact):.1e} (target {TARGET:.0e})." if exact else ""
    command = "python -m benchmarks training.parity" + (f" --only '{arguments.only}'" if arguments.only else "")
    publish("training.parity", f"{table}\n\n{note} {describe_measurement(command)}", arguments.write)


def measure(rows: Iterable[_Row], folder: Path) -> dict[_Row, tuple[float, float, float]]:
    """{row: relative differences of loss, router loss and the checkpoint's logits}."""
    tokenizer, stores = make_stores(folder, LENGTH, VOCABULARY)
    by_workers: dict[int, list[_Row]] = defaultdict(list)
    for row in rows:
        by_workers[int(np.prod(row[2]))].append(row)
    references: dict[Any, list[PlainStep]] = {}
    results = {}
    for workers, group in sorted(by_workers.items()):
        print(f"{len(group)} runs by {workers} processes", flush=True)
        cases = {f"{number:02d}": case_of(row) for number, row in enumerate(group)}
        place = folder / f"workers-{workers}"
        place.mkdir()
        plans = train_cases(cases, stores, tokenizer, VOCABULARY, place, timeout_s=3600)
        for row, plan in zip(group, plans.values(), strict=True):
            results[row] = _compare(row, plan, stores, references)
    return results


def _compare(
    row: _Row, plan: TrainingPlan, stores: Mapping[Kind, Path], references: dict[Any, list[PlainStep]]
) -> tuple[float, float, float]:
    data, architecture, (replicas, _, _), _, _ = row
    key = (data, architecture, replicas * plan.config.micro_sequences if architecture == "moe" else None)
    if key not in references:
        references[key] = list(plain_training(plan.config, data, stores[data], VOCABULARY))
    steps, expected = read_metrics(plan.metrics), references[key]
    loss = largest_difference((one.loss for one in steps), (one.loss for one in expected))
    router = 0.0
    if architecture == "moe":
        router = largest_difference((one.router_loss or 0.0 for one in steps), (one.router_loss for one in expected))
    with np.load(plan.probe) as probe:
        largest = float(np.abs(probe["logits"]).max())
    return loss, router, logit_difference(plan)[0] / largest


if __name__ == "__main__":
    main()
