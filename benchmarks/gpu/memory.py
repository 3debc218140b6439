"""How large a network trains within a fixed part of a CUDA device's memory, and what each saving brings.

    python -m benchmarks gpu.memory [--limit-gib 8 --write docs/gpu.md]

bf16 with fp32 master weights, hidden 2048, 4 sequences of 2,048 tokens in one pass, layers added until the memory is
full. Memory grows with the layers in a straight line, so two small networks tell the largest; it is then trained, and
one an eighth larger must fail.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any

from benchmarks.gpu.device import describe_device
from benchmarks.gpu.step import Case, Result, run_case
from benchmarks.machine import describe_measurement
from benchmarks.tables import Cell, add_write_option, markdown_table, publish

_GIB = 1 << 30
_SMALL = (2, 6)
# What the CUDA context and cuBLAS take beside torch's allocator is outside the limit; fragments are inside.
_SPARE = 0.02


@dataclass(frozen=True)
class Saving:
    """A row of the table."""

    name: str
    config: dict[str, Any]
    expandable: bool = False


_ALL = {"parallel": {"zero": 1}, "recompute": True, "offload": "optimizer"}
SAVINGS = (
    Saving("none", {"parallel": {"zero": 1}}),
    Saving("recompute, offload, growing segments", _ALL, expandable=True),
    Saving("recompute", {"parallel": {"zero": 1}, "recompute": True}),
    Saving("recompute, offload", _ALL),
)


def case_of(saving: Saving, layers: int, limit_gib: float = 0.0) -> Case:
    """Three steps of a network with `layers` layers."""
    sizes = {"layers": layers, "hidden": 2048, "intermediate": 6144, "heads": 16, "kv_heads": 8, "head_dim": 128}
    config = {"sizes": sizes, "batch": {"sequences": 4, "length": 2048}, "precision": "bf16", **saving.config}
    return Case(config, steps=3, warmup=1, limit_gib=limit_gib, expandable=saving.expandable)


def largest(small: tuple[int, int], peaks: tuple[int, int], limit: int) -> int:
    """The most layers whose memory, in a line through two points, stays within `limit` bytes."""
    each = (peaks[1] - peaks[0]) / (small[1] - small[0])
    return int((limit - peaks[0]) / each) + small[0]


def fill(saving: Saving, limit_gib: float) -> tuple[int, Result]:
    """The largest network that trains within the limit, and how it went."""
    first, second = (run_case(case_of(saving, layers)).peak_reserved for layers in _SMALL)
    layers = largest(_SMALL, (first, second), int(limit_gib * _GIB * (1 - _SPARE)))
    while True:
        result = run_case(case_of(saving, layers, limit_gib))
        if not result.out_of_memory:
            break
        layers -= max(1, layers // 20)
    while True:
        larger = layers + max(1, layers // 8)
        more = run_case(case_of(saving, larger, limit_gib))
        if more.out_of_memory:
            return layers, result
        layers, result = larger, more


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limit-gib", type=float, default=8.0, help="device memory that torch may take [8]")
    add_write_option(parser)
    arguments = parser.parse_args()
    rows: list[list[Cell]] = []
    base = 0
    for saving in SAVINGS:
        layers, result = fill(saving, arguments.limit_gib)
        base = base or result.parameters
        tokens = 4 * 2048 / min(result.seconds)
        cells: list[Cell] = [saving.name, layers, result.parameters / 1e9, f"{result.parameters / base:.2f}x"]
        rows.append([*cells, f"{result.peak_allocated / _GIB:.2f}", f"{tokens:,.0f}"])
        print(rows[-1], flush=True)
    columns = ["savings", "layers", "parameters (10^9)", "ratio", "peak GiB of tensors", "tokens/s"]
    command = f"python -m benchmarks gpu.memory --limit-gib {arguments.limit_gib:g}"
    note = f"Limit {arguments.limit_gib:g} GiB. {describe_device()}. {describe_measurement(command)}"
    publish("gpu.memory", f"{markdown_table(columns, rows)}\n\n{note}", arguments.write)


if __name__ == "__main__":
    main()
