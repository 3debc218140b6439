"""One of several gloo workers: steps a few parameters with gradients of its own, and writes where they went.

Run as `python reduction_worker.py SETTINGS RANK WORKERS`; worker R writes `R.pt` beside SETTINGS.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from pipelines.training.compression.optimizer import DirectedAdamW
from pipelines.training.compression.phases import Phases
from pipelines.training.compression.reduction import OneBitReduction
from pipelines.training.compression.start import message_lists
from pipelines.training.groups import Groups, make_groups
from pipelines.training.layout import Layout
from pipelines.training.shards import Shard, set_shard

SHAPES = {"cut": (33, 21), "whole": (57,), "tied": (19, 5)}


def main(file: Path, rank: int, workers: int) -> None:
    settings = json.loads(file.read_text())
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{file.with_suffix('.meeting')}", rank=rank, world_size=workers)
    groups = make_groups(Layout(**settings["layout"]))
    torch.save(train(settings, groups), file.with_name(f"{rank}.pt"))
    dist.destroy_process_group()


def train(settings: dict[str, Any], groups: Groups) -> dict[str, Any]:
    parameters = make_parameters(groups)
    optimizer = DirectedAdamW(parameters.values(), lr=0.01, betas=(0.9, 0.95), weight_decay=0.1)
    phases = Phases(settings["warmup"], settings["refresh_every"])
    lists = message_lists(parameters.values(), [parameters["tied"]])
    reduction = OneBitReduction(lists, optimizer, groups, phases, settings["largest_norm"])
    reduced, weights = [], []
    for step in range(settings["steps"]):
        if step == settings.get("renew_at"):
            state = {name: value.clone() for name, value in reduction.state().items()}
            reduction = OneBitReduction(lists, optimizer, groups, phases, settings["largest_norm"])
            assert reduction.is_fresh
            reduction.load(state)
            assert not reduction.is_fresh
        for name, parameter in parameters.items():
            parameter.grad = gradient(name, parameter, step, settings["noise"], groups)
        reduced.append(reduction.reduce())
        optimizer.step()
        weights.append(torch.cat([parameter.detach().flatten() for parameter in parameters.values()]).clone())
    return {"weights": weights, "names": {n: p.detach() for n, p in parameters.items()}, "reduced": reduced}


def make_parameters(groups: Groups) -> dict[str, torch.nn.Parameter]:
    parameters = {name: torch.nn.Parameter(torch.ones(shape)) for name, shape in SHAPES.items()}
    tensor = groups.layout.tensor
    for name, parameter in parameters.items():
        cut = name == "cut" and tensor > 1
        set_shard(parameter, Shard(name, 0, groups.at.tensor, tensor) if cut else Shard(name))
    return parameters


def gradient(name: str, parameter: torch.Tensor, step: int, noise: float, groups: Groups) -> torch.Tensor:
    """Towards fixed values, and noise that differs between replicas and, where a parameter is cut, its parts."""
    at, place = groups.at, list(SHAPES).index(name)
    part = at.tensor if name == "cut" else 0
    aims = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(100 * place + part))
    random = torch.Generator().manual_seed(10_000 * step + 1000 * at.data + 100 * place + part)
    return parameter.detach() - aims + noise * torch.randn(parameter.shape, generator=random)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
