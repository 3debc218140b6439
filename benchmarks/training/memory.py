"""How much larger a network trains in the same memory per process, with recomputation and ZeRO, on CPU.

    python -m benchmarks training.memory [--workers 4] [--layers 4]

Plain data parallelism trains a network of a few layers; its peak is the budget. Then each saving gets as many layers as
fit into that budget: the peak is a straight line over the layers, so two runs say how many, and a third one shows that
they fit. What is counted are the bytes that torch holds, tensor by tensor, the greatest of all workers.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.machine import describe_measurement
from benchmarks.tables import Cell, add_write_option, markdown_table, publish

_WORKER = Path(__file__).with_name("memory_worker.py")
# Wide enough for ZeRO-3: DeepSpeed keeps tensors of less than 100,000 elements whole on every worker.
_WIDTH = {"hidden": 384, "intermediate": 1024, "heads": 6, "kv_heads": 6, "head_dim": 64, "context": 256}
_BATCH = {"length": 256}
_SEQUENCES = 2  # per worker

# name: what differs from plain data parallelism
SAVINGS: dict[str, dict[str, Any]] = {
    "plain": {},
    "recompute": {"recompute": True},
    "ZeRO-1": {"zero": 1},
    "ZeRO-2": {"zero": 2},
    "ZeRO-3": {"zero": 3},
    "ZeRO-2 + recompute": {"zero": 2, "recompute": True},
    "ZeRO-3 + recompute": {"zero": 3, "recompute": True},
}


@dataclass(frozen=True)
class Result:
    """Of the worker that held the most: its peak while the network was made, while it trained, and what is held after a
    step; and the parameters of the whole network.
    """

    start_bytes: int
    peak_bytes: int
    held_bytes: int
    parameters: int

    @property
    def most_bytes(self) -> int:
        return max(self.start_bytes, self.peak_bytes)


def train(saving: dict[str, Any], layers: int, workers: int) -> Result:
    """Some steps of a network in as many processes.

    Raises:
        RuntimeError: a worker failed; the end of what it said is in the message.
    """
    config = {
        "sizes": _WIDTH | {"layers": layers},
        "parallel": {"data": workers, "zero": saving.get("zero", 0)},
        "recompute": saving.get("recompute", False),
        "batch": _BATCH | {"sequences": _SEQUENCES * workers},
    }
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "case.json")
        file.write_text(json.dumps(config))
        command = [sys.executable, str(_WORKER), str(file)]
        environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        processes = [
            subprocess.Popen([*command, str(rank), str(workers)], stderr=subprocess.PIPE, env=environment)
            for rank in range(workers)
        ]
        said = [process.communicate(timeout=900)[1].decode() for process in processes]
        if any(process.returncode for process in processes):
            raise RuntimeError("\n".join(text[-2000:] for text in said if "Error" in text))
        return Result(**json.loads(file.with_suffix(".result.json").read_text()))


def deepest(saving: dict[str, Any], layers: int, workers: int, budget_bytes: int) -> tuple[int, Result]:
    """The most layers whose peak is within the budget, and the run that shows it."""
    few, more = train(saving, layers, workers), train(saving, 2 * layers, workers)
    per_layer = (more.most_bytes - few.most_bytes) / layers
    fitting = max(layers, layers + int((budget_bytes - few.most_bytes) / per_layer))
    while (found := train(saving, fitting, workers)).most_bytes > budget_bytes and fitting > layers:
        fitting -= 1
    return fitting, found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=4, help="processes [4]")
    parser.add_argument("--layers", type=int, default=4, help="layers of the plain network, which sets the budget [4]")
    parser.add_argument("--only", nargs="*", choices=list(SAVINGS)[1:], help="these savings alone")
    add_write_option(parser)
    arguments = parser.parse_args()
    plain = train({}, arguments.layers, arguments.workers)
    budget = plain.most_bytes
    rows: list[list[Cell]] = []
    for name in ["plain", *(arguments.only or list(SAVINGS)[1:])]:
        layers, result = arguments.layers, plain
        if name != "plain":
            layers, result = deepest(SAVINGS[name], arguments.layers, arguments.workers, budget)
        megabytes = [f"{size / 1e6:.1f}" for size in (result.start_bytes, result.peak_bytes, result.held_bytes)]
        ratio = f"{result.parameters / plain.parameters:.2f}x"
        rows.append([name, layers, f"{result.parameters / 1e6:.2f}", ratio, *megabytes])
        print(rows[-1], flush=True)
    columns = ["savings", "layers", "parameters (10^6)", "ratio", "peak MB at start", "peak MB in training", "MB held"]
    command = f"python -m benchmarks training.memory --workers {arguments.workers} --layers {arguments.layers}"
    if arguments.only:
        command += " --only " + " ".join(f"'{name}'" for name in arguments.only)
    note = (
        f"{arguments.workers} processes, fp32, {_SEQUENCES} sequences of {_BATCH['length']} tokens each; budget "
        f"{budget / 1e6:.1f} MB per process. {describe_measurement(command)}"
    )
    publish(f"training.memory.{arguments.workers}", f"{markdown_table(columns, rows)}\n\n{note}", arguments.write)


if __name__ == "__main__":
    main()
