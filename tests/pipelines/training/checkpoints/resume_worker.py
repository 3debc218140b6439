"""One of several gloo workers: trains each case of a JSON file from its newest checkpoint on, without Ray.

Run as `python resume_worker.py CASES RANK WORKERS`; each case names its run folder.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path


def main(cases_file: Path, rank: int, workers: int) -> None:
    os.environ |= {"DS_ACCELERATOR": "cpu", "LOCAL_RANK": str(rank), "RANK": str(rank), "WORLD_SIZE": str(workers)}
    import torch
    import torch.distributed as dist

    torch.set_num_threads(1)
    meeting = cases_file.with_suffix(".meeting")
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=workers)
    for case in json.loads(cases_file.read_text()):
        train_case(case, rank)
    dist.destroy_process_group()


def train_case(case: dict, rank: int) -> None:
    import torch
    import torch.distributed as dist

    from danlu.config import validate
    from pipelines.training.config import TrainConfig
    from pipelines.training.plan import TrainingPlan
    from pipelines.training.worker import make_loop, open_session

    folder = Path(case["folder"])
    if rank == 0:
        (folder / "_state").mkdir(parents=True)
        (folder / "tokens").symlink_to(case["tokens"])
        if case["from"]:
            earlier = Path(case["from"], "checkpoints", "step-00000005")
            shutil.copytree(earlier, folder / "checkpoints" / earlier.name)
    dist.barrier()
    config = validate(TrainConfig, case["config"] | {"output": str(folder)}).resolved()
    plan = TrainingPlan(config, case["kind"], str(folder), case["checkpoint"], case["vocabulary"], "cpu", began=0.0)
    loop = make_loop(plan, lambda position: session.save(position))
    session = open_session(plan, loop.executor)
    if case["from"]:
        torch.rand(rank + 1)  # what a start draws before it resumes is forgotten
    resumed = session.resume()
    assert resumed.position is not None and resumed.position.step == (5 if case["from"] else 0)
    assert loop.run(resumed.position).reason == "finished"
    assert session.close() == ""
    (folder / f"notes-{rank}.json").write_text(json.dumps([resumed.notes, torch.rand(3).tolist()]))
    loop.executor.engine.destroy()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
