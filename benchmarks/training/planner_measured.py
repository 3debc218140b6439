"""The training planner's bytes against those of real steps: peak memory and traffic of two CPU workers.

    python -m benchmarks training.planner_measured [--write docs/training.md]

A few minutes on two free cores. Bytes are counted, not timed, so that a busy machine does no harm.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.machine import describe_measurement
from benchmarks.tables import Cell, add_write_option, markdown_table, publish
from danlu.config import validate
from pipelines.training.config import TrainConfig
from pipelines.training.planner.cluster import PRESETS
from pipelines.training.planner.memory import memory_of
from pipelines.training.planner.traffic import flows_of
from pipelines.training.planner.workload import Choice, Workload

_WORKERS = 2
_VOCABULARY = 4096
_WITHIN_S = 3600
# Names of torch's operations, by what they do.
_KINDS = {
    "allreduce": "all_reduce",
    "allgather_base": "all_gather",
    "reduce_scatter_base": "reduce_scatter",
    "alltoall_base": "all_to_all",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_write_option(parser)
    arguments = parser.parse_args()
    cases = all_cases()
    publish("training.planner_measured", report(cases, count_all(cases)), arguments.write)


def all_cases() -> list[dict[str, Any]]:
    """{name, vocabulary, config} of every step to count."""
    cases = []
    for size, sequences in (("tiny", 8), ("small", 2)):
        for zero in range(4):
            for recompute in (False, True):
                name = f"{size}, ZeRO-{zero}{', recomputed' if recompute else ''}"
                cases.append(_case(name, size=size, sequences=sequences, zero=zero, recompute=recompute))
    for zero in (1, 2, 3):
        cases.append(_case(f"tiny, bf16, ZeRO-{zero}", zero=zero, precision="bf16"))
        cases.append(_case(f"tiny, two micro-batches, ZeRO-{zero}", zero=zero, micro=2))
    for recompute in (False, True):
        name = f"tiny mixture of experts, ZeRO-1{', recomputed' if recompute else ''}"
        cases.append(_case(name, architecture="moe", zero=1, recompute=recompute))
        name = f"tiny, tensor parallelism{', recomputed' if recompute else ''}"
        cases.append(_case(name, parallel={"tensor": _WORKERS}, recompute=recompute))
    return cases


def _case(name: str, *, size: str = "tiny", sequences: int = 8, zero: int = 0, **more: Any) -> dict[str, Any]:
    batch = {"sequences": sequences, "length": 256, "micro": more.pop("micro", None)}
    parallel = more.pop("parallel", {"data": _WORKERS, "zero": zero})
    architecture = more.pop("architecture", "dense")
    config = {"architecture": architecture, "size": size, "batch": batch, "parallel": parallel, **more}
    return {"name": name, "vocabulary": _VOCABULARY, "config": config}


def count_all(cases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What `counted_steps` counts of each case."""
    # DeepSpeed remembers for good whether there are tensor-parallel groups: those cases get processes of their own.
    alone = [case for case in cases if case["config"]["parallel"].get("tensor", 1) > 1]
    counts = [count for part in ([c for c in cases if c not in alone], alone) if part for count in _count(part)]
    by_name = {count["case"]: count for count in counts}
    return [by_name[case["name"]] for case in cases]


def _count(cases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "cases.json")
        file.write_text(json.dumps(cases))
        command = [sys.executable, "-m", "benchmarks.training.counted_steps", str(file)]
        workers = [
            subprocess.Popen([*command, str(rank), str(_WORKERS)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            for rank in range(_WORKERS)
        ]
        try:
            outputs = [worker.communicate(timeout=_WITHIN_S) for worker in workers]
        finally:
            for worker in workers:
                worker.kill()
        if any(worker.returncode for worker in workers):
            ends = ", ".join(str(worker.returncode) for worker in workers)
            raise SystemExit("\n".join([*(error.decode()[-2000:] for _, error in outputs), f"exit codes {ends}"]))
    return [json.loads(line) for line in outputs[0][0].decode().splitlines()]


def planned(case: dict[str, Any]) -> tuple[Workload, Choice]:
    """The case as the planner sees it."""
    config = validate(TrainConfig, case["config"] | {"input": "unused", "output": "unused"}).resolved()
    assert config.sizes is not None
    axes = config.parallel
    workload = Workload(
        sizes=config.sizes,
        vocabulary=case["vocabulary"],
        sequences=config.batch.sequences,
        length=config.batch.length,
        precision=config.precision,
    )
    choice = Choice(
        data=axes.data,
        pipeline=axes.pipeline,
        tensor=axes.tensor,
        expert=axes.expert,
        zero=axes.zero,
        micro=config.micro_sequences,
        recompute="full" if config.recompute else "none",
    )
    return workload, choice


def report(cases: list[dict[str, Any]], counts: list[dict[str, Any]]) -> str:
    """Both tables: memory, and traffic."""
    memory: list[list[Cell]] = []
    traffic: list[list[Cell]] = []
    for case, count in zip(cases, counts, strict=True):
        workload, choice = planned(case)
        told = memory_of(workload, choice).total
        memory.append([case["name"], count["peak_bytes"] / 1e6, told / 1e6, _error(told, count["peak_bytes"])])
        flows = flows_of(workload, choice, PRESETS["cpu"].of(choice.cards))
        counted = {_KINDS.get(name, name): number for name, number in count["sent"].items()}
        # The losses that are summed for the log are a few bytes.
        kinds = sorted({flow.kind for flow in flows} | {kind for kind, number in counted.items() if number > 1e4})
        said = {kind: sum(flow.payload_bytes for flow in flows if flow.kind == kind) for kind in kinds}
        worst = max(kinds, key=lambda kind: abs(said[kind] / counted[kind] - 1) if counted.get(kind) else math.inf)
        each = ", ".join(f"{kind} {counted.get(kind, 0) / 1e6:.1f}" for kind in kinds)
        row: list[Cell] = [case["name"], each, sum(said.values()) / 1e6, _error(said[worst], counted.get(worst, 0))]
        traffic.append(row)
    command = "python -m benchmarks training.planner_measured"
    lines = [
        describe_measurement(command),
        markdown_table(["peak memory of one worker", "counted, MB", "planner, MB", "error"], memory),
        markdown_table(["payload of a step, one worker", "counted, MB", "planner, all, MB", "worst error"], traffic),
    ]
    return "\n\n".join(lines)


def _error(told: float, counted: float) -> str:
    return f"{100 * (told / counted - 1):+.1f}%" if counted else "not counted"


if __name__ == "__main__":
    main()
