"""One of several gloo workers that trains a random network for some steps and counts the bytes that torch holds.

Run as `python memory_worker.py CASE.json RANK WORKERS`; worker 0 writes CASE.result.json.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

STEPS = 2
VOCABULARY = 1024


def run_worker(file: Path, rank: int, workers: int) -> None:
    """Train, and write the greatest peaks of all workers."""
    os.environ |= {"DS_ACCELERATOR": "cpu", "LOCAL_RANK": str(rank), "RANK": str(rank), "WORLD_SIZE": str(workers)}
    import torch
    import torch.distributed as dist

    from benchmarks.training.allocations import AllocationTracker
    from danlu.config import validate
    from pipelines.training.config import TrainConfig
    from pipelines.training.plan import TrainingPlan
    from pipelines.training.worker import make_executor

    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{file}.meeting", rank=rank, world_size=workers)
    config = validate(TrainConfig, {"input": "unused", "output": "unused"} | json.loads(file.read_text())).resolved()
    plan = TrainingPlan(config, "text", str(file.parent), None, VOCABULARY, "cpu", began=0.0)
    with AllocationTracker() as tracker:
        executor = make_executor(plan)
        parameters = sum(int(getattr(p, "ds_numel", p.numel())) for _, p in executor.parameters())
        start = tracker.peak_bytes
        tracker.reset()
        for step in range(STEPS):
            executor.forward_backward(_samples(config, step))
            executor.update()
        peaks = torch.tensor([start, tracker.peak_bytes, tracker.held_bytes], dtype=torch.int64)
    dist.all_reduce(peaks, dist.ReduceOp.MAX)
    if rank == 0:
        names = ("start_bytes", "peak_bytes", "held_bytes")
        result = dict(zip(names, peaks.tolist(), strict=True)) | {"parameters": parameters}
        file.with_suffix(".result.json").write_text(json.dumps(result))
    dist.destroy_process_group()


def _samples(config: Any, step: int) -> list[Any]:
    import numpy as np

    from pipelines.training.batches import Sample

    random = np.random.default_rng(step)
    rows = random.integers(0, VOCABULARY, (config.batch.sequences, config.batch.length + 1))
    return [Sample(row[:-1], row[1:]) for row in rows]


if __name__ == "__main__":
    run_worker(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
