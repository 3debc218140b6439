"""One of several gloo workers: trains each case of a JSON file and writes the losses, without Ray.

Run as `python gloo_worker.py CASES RANK WORKERS`; the results lie beside CASES.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any


def run_worker(cases_file: Path, rank: int, workers: int) -> None:
    """Train all cases, one after the other."""
    os.environ |= {"DS_ACCELERATOR": "cpu", "LOCAL_RANK": str(rank), "RANK": str(rank), "WORLD_SIZE": str(workers)}
    import torch
    import torch.distributed as dist

    torch.set_num_threads(1)
    meeting = cases_file.with_suffix(".meeting")
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=workers)
    for name, case in json.loads(cases_file.read_text()).items():
        train_case(cases_file.parent / name, case)
    dist.destroy_process_group()


def train_case(folder: Path, case: dict[str, Any]) -> None:
    """Train one case to its end, and export the network."""
    from danlu.config import validate
    from pipelines.training.checkpoints import Position
    from pipelines.training.config import TrainConfig
    from pipelines.training.export import export_checkpoint
    from pipelines.training.plan import TrainingPlan
    from pipelines.training.worker import make_loop

    config = validate(TrainConfig, case["config"] | {"output": str(folder)}).resolved()
    folder.mkdir(exist_ok=True)
    (folder / "_state").mkdir(exist_ok=True)
    checkpoint = case.get("checkpoint")
    plan = TrainingPlan(config, case["kind"], str(folder), checkpoint, case["vocabulary"], "cpu", began=0.0)
    saved: list[Position] = []
    loop = make_loop(plan, save=saved.append)
    # Gradients that are discarded leave no trace.
    loop.executor.forward_backward(loop.samples.step(5))
    loop.executor.discard()
    outcome = loop.run(Position())
    assert outcome.reason == "finished" and saved[-1].step == config.total_steps
    export_checkpoint(loop.executor, plan, loop.samples.step(0)[0].inputs)
    loop.executor.engine.destroy()


if __name__ == "__main__":
    run_worker(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
