"""Out of memory: which memory it was, by how much, and the two settings that help most. No torch and no Ray in here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from actors.networks.parameters import count_parameters
from danlu.errors import RunError
from pipelines.training.config import TrainConfig

Where = Literal["host", "device"]

_UNITS = {"bytes": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40, "PiB": 1 << 50}
_AMOUNT = r"([\d.]+) (bytes|B|KiB|MiB|GiB|TiB|PiB)"
_DEVICE = re.compile(rf"(?:CUDA|HIP) out of memory\. Tried to allocate {_AMOUNT}")
_DEVICE_FREE = re.compile(rf"of which {_AMOUNT} is free")
_ALLOCATOR = re.compile(r"DefaultCPUAllocator: .*?tried to allocate (\d+) bytes", re.DOTALL)
_ARRAY = re.compile(rf"Unable to allocate {_AMOUNT} for an array")
_RAY = re.compile(r"was ([\d.]+)\s*GB(?: used)? / ([\d.]+)\s*GB")
_RAY_KILLED = "running low on memory"
_RAY_SHARE = 0.95  # of a node's memory; above it Ray ends workers
# Per token, layer and unit of width in fp32; 34 bytes with 2 bytes a value in "Reducing Activation Recomputation"
# (Korthikanti et al., arXiv 2205.05198, eq. 2), without the attention matrix, which fused attention does not keep.
_ACTIVATION_BYTES = 2 * 34


@dataclass(frozen=True)
class Shortage:
    """Bytes that were asked for and bytes that were free, where the message told."""

    where: Where
    wanted_bytes: float | None = None
    free_bytes: float | None = None

    def describe(self) -> str:
        """`3.0 GiB were asked for and 1.2 GiB were free: 1.8 GiB too little`."""
        if self.wanted_bytes is None:
            return "the message did not say how much was missing"
        asked = f"{_size(self.wanted_bytes)} were asked for"
        if self.free_bytes is None:
            return f"{asked}, more than there was"
        missing = max(self.wanted_bytes - self.free_bytes, 0.0)
        # What is free may lie in pieces, each too small.
        rest = f"{_size(missing)} too little" if missing else "in pieces that were each too small"
        return f"{asked} and {_size(self.free_bytes)} were free: {rest}"


def read_shortage(message: str, free_host_bytes: float | None = None) -> Shortage | None:
    """What an error's text says of missing memory; None where it is about something else.

    Args:
        free_host_bytes: what the host had left when the error came, as its text does not say.
    """
    if found := _DEVICE.search(message):
        free = _DEVICE_FREE.search(message)
        return Shortage("device", _bytes(*found.groups()), _bytes(*free.groups()) if free else None)
    if found := _ALLOCATOR.search(message):
        return Shortage("host", float(found[1]), free_host_bytes)
    if found := _ARRAY.search(message):
        return Shortage("host", _bytes(*found.groups()), free_host_bytes)
    if _RAY_KILLED in message:
        if (found := _RAY.search(message)) is None:
            return Shortage("host")
        used, total = float(found[1]) * 1e9, float(found[2]) * 1e9
        return Shortage("host", used, _RAY_SHARE * total)
    return Shortage("host", None, free_host_bytes) if message.startswith("MemoryError") else None


def out_of_memory(shortage: Shortage, worker: str, config: TrainConfig, device: str, vocabulary: int) -> RunError:
    """The error for a person."""
    memory = {"host": "host memory", "device": "device memory"}[shortage.where]
    first, second = helpful_settings(shortage.where, config, device, vocabulary)
    return RunError(
        f"training ran out of {memory} on {worker}",
        rule=shortage.describe(),
        fix=f"{first}, or {second}",
    )


def helpful_settings(where: Where, config: TrainConfig, device: str, vocabulary: int) -> tuple[str, str]:
    """The two changes of `config` that save most of the memory that ran out.

    What a step keeps for its backward pass and what is kept from step to step are estimated; the larger one's remedies
    come first. A network of unknown size (`from`) is taken for one whose passes are the larger.
    """
    if where == "host" and device == "cuda":
        found = _host_beside_device(config)
    elif _states_are_larger(config, vocabulary):
        found = [*_smaller_states(config, device), *_smaller_passes(config)]
    else:
        passes, states = _smaller_passes(config), _smaller_states(config, device)
        found = [*passes[:1], *states[:1], *passes[1:], *states[1:]]
    found += ["a smaller network (size, sizes)", "machines with more memory"]
    return found[0], found[1]


def _states_are_larger(config: TrainConfig, vocabulary: int) -> bool:
    if config.from_ is not None:
        return False
    sizes, layout = config.fresh_sizes(), config.layout
    parameters = count_parameters(sizes, vocabulary).total / (layout.pipeline * layout.tensor)
    # Bytes per parameter of weights, gradients and two moments in fp32, shared out as the ZeRO stage has it.
    share = {0: 16.0, 1: 8 + 8 / layout.data, 2: 4 + 12 / layout.data, 3: 16 / layout.data}[config.parallel.zero]
    tokens = config.micro_sequences * config.batch.length
    layers = 1 if config.recompute else sizes.layers / layout.pipeline
    passes = tokens * (layers * _ACTIVATION_BYTES * sizes.hidden / layout.tensor + 3 * 4 * vocabulary)
    return parameters * share > passes


def _smaller_passes(config: TrainConfig) -> list[str]:
    found = []
    if config.micro_sequences > 1:
        found.append(f"batch.micro={config.micro_sequences // 2}")
    if not config.recompute:
        found.append("recompute=true")
    if config.batch.length >= 32:
        found.append(f"batch.length={config.batch.length // 2}")
    return found


def _smaller_states(config: TrainConfig, device: str) -> list[str]:
    found, axes = [], config.parallel
    highest = 1 if axes.pipeline > 1 else 3
    if axes.data > 1 and axes.zero < highest:
        found.append(f"parallel.zero={highest}")
    if device == "cuda" and config.offload == "none":
        found.append("offload=optimizer" if axes.zero else "offload=optimizer with parallel.zero=1")
    if config.from_ is not None and config.lora is None and axes.tensor == axes.pipeline == 1:
        found.append("lora={}")
    more = f"parallel.data={2 * axes.data} with parallel.zero={highest}"
    return [*found, f"{more}, on more machines or cards"]


def _host_beside_device(config: TrainConfig) -> list[str]:
    found = []
    if config.offload == "optimizer":
        found.append("offload=none")
        if config.parallel.zero < 3 and config.parallel.data > 1 and config.parallel.pipeline == 1:
            found.append("parallel.zero=3")
    return [*found, "fewer workers on each machine"]


def _bytes(amount: str, unit: str) -> float:
    return float(amount) * _UNITS[unit]


def _size(size_bytes: float) -> str:
    unit = next((unit for unit in ("TiB", "GiB", "MiB", "KiB") if size_bytes >= _UNITS[unit]), "B")
    return f"{size_bytes / _UNITS[unit]:.1f} {unit}"
