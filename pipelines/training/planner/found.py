"""This machine as the planner sees it."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Literal

from pipelines.training.planner.cluster import PRESETS, Cluster


def machine_cluster(cores: int, memory_bytes: float, gpus: list[tuple[str, float]]) -> Cluster:
    """A cluster of one node.

    Args:
        gpus: (name, bytes of memory) of each; none = the cores are the cards, and share the memory.
    """
    if not gpus:
        cpu = PRESETS["cpu"]
        card = replace(cpu.card, memory_bytes=memory_bytes / cores)
        return replace(cpu, card=card, cards=cores, cards_per_node=cores)
    name, memory = gpus[0]
    known = next((key for key in PRESETS if key in name.lower()), "a100")
    base = PRESETS[known]
    card = replace(base.card, name=name, memory_bytes=memory)
    return replace(base, card=card, cards=len(gpus), cards_per_node=len(gpus))


def find_cluster(device: Literal["auto", "cpu", "cuda"]) -> Cluster:
    """The GPUs that this process may use, or its CPUs where there are none or `device` is cpu."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return machine_cluster(cores, memory, [] if device == "cpu" else _gpus())


def _gpus() -> list[tuple[str, float]]:
    import torch

    if not torch.cuda.is_available():
        return []
    found = [torch.cuda.get_device_properties(number) for number in range(torch.cuda.device_count())]
    return [(properties.name, properties.total_memory) for properties in found]
