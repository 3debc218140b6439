"""Out of memory: which memory it was, by how much, and the two settings that help most. No torch and no Ray in here."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from actors.networks.parameters import count_parameters
from danlu.continuing import lies_in
from danlu.errors import NotAvailableError, RunError
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


@dataclass(frozen=True)
class _Remedy:
    """Changes of the config that go together, by dotted key, and what else they need."""

    settings: dict[str, Any]
    needs: str = ""

    def describe(self) -> str:
        first, *others = (f"{key}={_in_yaml(value)}" for key, value in self.settings.items())
        text = f"{first} with {' and '.join(others)}" if others else first
        stays = all(lies_in(key, TrainConfig.changeable) for key in self.settings)
        return f"{text}{self.needs}" if stays else f"{text}{self.needs} in a new output"


def helpful_settings(where: Where, config: TrainConfig, device: str, vocabulary: int) -> tuple[str, str]:
    """The two changes of `config` that save most of the memory that ran out; none that the config refuses.

    What a step keeps for its backward pass and what is kept from step to step are estimated; the larger one's remedies
    come first. A network of unknown size (`from`) is taken for one whose passes are the larger.
    """
    if where == "host" and device == "cuda":
        found = _told(config, _host_beside_device(config))
        found.append("fewer workers on each machine")
    else:
        passes = _told(config, _smaller_passes(config))
        states = _told(config, _smaller_states(config, device))
        if _states_are_larger(config, vocabulary):
            found = [*states, *passes]
        else:
            found = [*passes[:1], *states[:1], *passes[1:], *states[1:]]
    network = "a smaller network (size, sizes)" if config.from_ is None else "a smaller checkpoint (from)"
    found += [f"{network} in a new output", "machines with more memory"]
    return found[0], found[1]


def _states_are_larger(config: TrainConfig, vocabulary: int) -> bool:
    if config.from_ is not None:
        return False
    sizes, layout = config.fresh_sizes(), config.layout
    parameters = count_parameters(sizes, vocabulary).total / (layout.pipeline * layout.tensor)
    # Bytes per parameter of weights, gradients and two moments in fp32, shared out as the ZeRO stage has it.
    share = {0: 16.0, 1: 8 + 8 / layout.data, 2: 4 + 12 / layout.data, 3: 16 / layout.data}[config.parallel.zero]
    if config.gradient_compression.is_on:
        share += 12  # three more numbers
    tokens = config.micro_sequences * config.batch.length
    layers = 1 if config.recompute else sizes.layers / layout.pipeline
    passes = tokens * (layers * _ACTIVATION_BYTES * sizes.hidden / layout.tensor + 3 * 4 * vocabulary)
    return parameters * share > passes


def _smaller_passes(config: TrainConfig) -> Iterable[_Remedy]:
    if (micro := _divisor(config.batch.sequences // config.layout.data, below=config.micro_sequences)) is not None:
        yield _Remedy({"batch.micro": micro})
    if not config.recompute:
        yield _Remedy({"recompute": True})
    if config.batch.length >= 32:
        yield _Remedy({"batch.length": config.batch.length // 2})


def _smaller_states(config: TrainConfig, device: str) -> Iterable[_Remedy]:
    axes = config.parallel
    # Compression keeps three numbers a weight, and ZeRO excludes it.
    whole = {"gradient_compression": "none"} if config.gradient_compression.is_on else {}
    highest = next((zero for zero in (3, 2, 1) if _allowed(config, {"parallel.zero": zero} | whole)), axes.zero)
    if axes.data > 1 and axes.zero < highest:
        yield _Remedy({"parallel.zero": highest} | whole)
    if device == "cuda" and config.offload == "none":
        yield _Remedy({"offload": "optimizer"} | ({} if axes.zero else {"parallel.zero": 1}) | whole)
    if config.from_ is not None and config.lora is None:
        yield _Remedy({"lora": {}})
    if (replicas := _more_replicas(config)) is not None:
        settings: dict[str, Any] = {"parallel.data": replicas, "parallel.zero": highest} | whole
        share = config.batch.sequences // replicas
        if share % config.micro_sequences:
            settings["batch.micro"] = _divisor(share, below=config.micro_sequences)
        yield _Remedy(settings, needs=", on more machines or cards")


def _host_beside_device(config: TrainConfig) -> Iterable[_Remedy]:
    if config.offload == "optimizer":
        yield _Remedy({"offload": "none"})
        if config.parallel.zero < 3 and config.parallel.data > 1:
            yield _Remedy({"parallel.zero": 3})


def _divisor(share: int, below: int) -> int | None:
    """The largest divisor of `share` below a number."""
    return next((size for size in range(below - 1, 0, -1) if share % size == 0), None)


def _more_replicas(config: TrainConfig) -> int | None:
    """The next multiple of the replicas that a step's sequences can be dealt out to."""
    data, sequences = config.parallel.data, config.batch.sequences
    return next((more for more in range(2 * data, sequences + 1, data) if sequences % more == 0), None)


def _told(config: TrainConfig, remedies: Iterable[_Remedy]) -> list[str]:
    return [remedy.describe() for remedy in remedies if _allowed(config, remedy.settings)]


def _allowed(config: TrainConfig, settings: dict[str, Any]) -> bool:
    values = config.model_dump(by_alias=True)
    if config.tokens is not None:
        values["steps"] = None  # derived
    for key, value in settings.items():
        *blocks, last = key.split(".")
        block = values
        for name in blocks:
            block = block[name]
        block[last] = value
    try:
        TrainConfig.model_validate(values)
    except (ValueError, NotAvailableError):
        return False
    return True


def _in_yaml(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _bytes(amount: str, unit: str) -> float:
    return float(amount) * _UNITS[unit]


def _size(size_bytes: float) -> str:
    unit = next((unit for unit in ("TiB", "GiB", "MiB", "KiB") if size_bytes >= _UNITS[unit]), "B")
    return f"{size_bytes / _UNITS[unit]:.1f} {unit}"
