"""What one writes without danlu: a training script for torchrun. Prints how many tokens it reads a second.

    torchrun --nproc-per-node 2 torchrun_script.py CASE.json

It reads made-up tokens that are there before the first step, and writes neither metrics nor checkpoints.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F


def main() -> None:
    case = json.loads(Path(sys.argv[1]).read_text())
    os.environ["DS_ACCELERATOR"] = "cpu"
    dist.init_process_group("gloo")
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // dist.get_world_size()))
    sequences = case["sequences"] // dist.get_world_size()
    batches = torch.randint(0, case["network"]["vocab_size"], (case["steps"], sequences, case["length"] + 1))
    step = _zero_step(case) if case["zero"] else _ddp_step(case)
    for number, batch in enumerate(batches):
        if number == case["warm_up"]:
            dist.barrier()
            began = time.perf_counter()
        step(batch)
    dist.barrier()
    seconds = time.perf_counter() - began
    if dist.get_rank() == 0:
        tokens = (case["steps"] - case["warm_up"]) * case["sequences"] * case["length"]
        print(json.dumps({"tokens_per_s": tokens / seconds}))
    dist.destroy_process_group()


def _network(case: dict[str, Any]) -> torch.nn.Module:
    from transformers import AutoModelForCausalLM, Qwen3Config

    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(Qwen3Config(**case["network"]), dtype=torch.float32).train()


def _loss(model: Any, batch: torch.Tensor) -> torch.Tensor:
    logits = model(input_ids=batch[:, :-1], use_cache=False).logits
    return F.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten())


def _ddp_step(case: dict[str, Any]) -> Any:
    model = torch.nn.parallel.DistributedDataParallel(_network(case))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.95), weight_decay=0.1)

    def step(batch: torch.Tensor) -> None:
        loss = _loss(model, batch)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        loss.item()

    return step


def _zero_step(case: dict[str, Any]) -> Any:
    import deepspeed

    from pipelines.training.engine import prepare_deepspeed

    prepare_deepspeed()  # else DeepSpeed compiles an operation for a minute
    model = _network(case)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.95), weight_decay=0.1)
    settings = {
        "train_micro_batch_size_per_gpu": case["sequences"] // dist.get_world_size(),
        "gradient_clipping": 1.0,
        "zero_optimization": {"stage": case["zero"]},
        "zero_allow_untested_optimizer": True,
        "zero_force_ds_cpu_optimizer": False,
        "steps_per_print": sys.maxsize,
    }
    engine, *_ = deepspeed.initialize(model=model, optimizer=optimizer, config=settings, dist_init_required=False)

    def step(batch: torch.Tensor) -> None:
        loss = _loss(engine, batch)
        engine.backward(loss)
        engine.step()
        loss.item()

    return step


if __name__ == "__main__":
    main()
