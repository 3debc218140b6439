"""Training steps of a random network on one CUDA device, in a process of their own.

Run as `python -m benchmarks.gpu.step '<JSON of a Case>'`; the last line that it prints is the JSON of a Result.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

VOCABULARY = 32_000
_DOCUMENTS, _TOKENS = 64, 20_000


@dataclass(frozen=True)
class Case:
    """config: keys of `danlu train`. limit_gib: device memory that torch may take (0 = all). expandable: pooling of
    torch's allocator in segments that grow. The first `warmup` of the `steps` are not timed.
    """

    config: dict[str, Any]
    steps: int = 8
    warmup: int = 3
    limit_gib: float = 0.0
    expandable: bool = False


@dataclass(frozen=True)
class Result:
    """parameters; seconds of each timed step; peaks of device memory: of tensors, and of what torch had taken."""

    parameters: int = 0
    seconds: list[float] = field(default_factory=list)
    loss: float = 0.0
    peak_allocated: int = 0
    peak_reserved: int = 0
    out_of_memory: bool = False


def run_case(case: Case) -> Result:
    """Run a case in a fresh process.

    Raises:
        RuntimeError: it failed otherwise than by memory.
    """
    environment = os.environ | {"DS_ACCELERATOR": "cuda"}
    if case.expandable:
        environment |= {"PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True"}
    command = [sys.executable, "-m", "benchmarks.gpu.step", json.dumps(asdict(case))]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        raise RuntimeError(f"{case} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    return Result(**json.loads(lines[-1]))


def _write_tokens(folder: Path) -> None:
    import numpy as np

    from pipelines.training.token_store import EncodedBatch, write_store

    random = np.random.default_rng(0)
    for split in ("train", "validation"):
        with write_store(folder / split, VOCABULARY, masked=False) as store:
            for _ in range(_DOCUMENTS):
                store.append(EncodedBatch(random.integers(0, VOCABULARY, _TOKENS), np.array([_TOKENS])))


def measure(case: Case) -> Result:
    """Run the steps in this process."""
    import torch
    import torch.distributed as dist

    from danlu.config import validate
    from pipelines.training.config import TrainConfig
    from pipelines.training.plan import TrainingPlan
    from pipelines.training.worker import make_loop

    if case.limit_gib:
        whole = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction(case.limit_gib * (1 << 30) / whole)
    with tempfile.TemporaryDirectory() as temporary:
        os.environ |= {"LOCAL_RANK": "0", "RANK": "0", "WORLD_SIZE": "1"}
        torch.cuda.set_device(0)
        dist.init_process_group("nccl", init_method=f"file://{temporary}/meeting", rank=0, world_size=1)
        values = {"input": "unused", "output": temporary, "steps": case.steps, "device": "cuda", "validation_share": 0}
        config = validate(TrainConfig, values | case.config).resolved()
        plan = TrainingPlan(config, "text", temporary, None, VOCABULARY, "cuda", began=0.0)
        _write_tokens(plan.tokens)
        try:
            return _steps(make_loop(plan, lambda *_: None), case)
        except torch.OutOfMemoryError:
            return Result(out_of_memory=True)
        finally:
            dist.destroy_process_group()


def _steps(loop: Any, case: Case) -> Result:
    import torch

    executor, seconds, loss = loop.executor, [], 0.0
    torch.cuda.reset_peak_memory_stats()
    for step in range(case.steps):
        samples = loop.samples.step(step)
        torch.cuda.synchronize()
        began = time.perf_counter()
        sums = executor.forward_backward(samples)
        executor.update()
        loss = float(sums[0])
        torch.cuda.synchronize()
        seconds.append(time.perf_counter() - began)
    return Result(
        parameters=sum(shard_numel(parameter) for _, parameter in executor.parameters()),
        seconds=seconds[case.warmup :],
        loss=loss,
        peak_allocated=torch.cuda.max_memory_allocated(),
        peak_reserved=torch.cuda.max_memory_reserved(),
    )


def shard_numel(parameter: Any) -> int:
    """Elements of a parameter, whole also where ZeRO-3 has taken it apart."""
    return int(getattr(parameter, "ds_numel", parameter.numel()))


if __name__ == "__main__":
    print(json.dumps(asdict(measure(Case(**json.loads(sys.argv[1]))))))
