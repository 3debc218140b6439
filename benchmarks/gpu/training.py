"""Training steps on one CUDA GPU: tokens per second, use of its arithmetic, and memory, with and without recomputation.

    python -m benchmarks gpu.training [--write docs/gpu.md]

bf16 with fp32 master weights (ZeRO stage 1), random networks and tokens. The share of the peak counts 6 FLOPs for each
parameter and token and 12 x layers x hidden x length for attention, as Megatron-LM does (arXiv 2104.04473, eq. 3), and
nothing for what is computed twice.
"""

from __future__ import annotations

import argparse
import statistics

from actors.networks.sizes import preset
from benchmarks.gpu.device import describe_device, peak_flops
from benchmarks.gpu.step import Case, Result, run_case
from benchmarks.machine import describe_measurement
from benchmarks.tables import Cell, add_write_option, markdown_table, publish

_LENGTH = 2048
_GIB = 1 << 30
# Size, sequences per pass.
_NETWORKS = (("0.6b", 8), ("1.7b", 8), ("4b", 4))


def flops_per_token(size: str, parameters: int) -> float:
    """Of forward and backward pass."""
    sizes = preset("dense", size)
    return 6 * parameters + 12 * sizes.layers * sizes.heads * sizes.head_dim * _LENGTH


def row(size: str, sequences: int, recompute: bool, result: Result) -> list[Cell]:
    """A line of the table."""
    name = f"{size}, {sequences} x {_LENGTH} tokens"
    if result.out_of_memory:
        return [name, "yes" if recompute else "no", None, "out of memory", None, None]
    speed = sequences * _LENGTH / statistics.median(result.seconds)
    share = speed * flops_per_token(size, result.parameters) / peak_flops()
    memory = f"{result.peak_allocated / _GIB:.1f}"
    return [name, "yes" if recompute else "no", result.parameters / 1e9, f"{speed:,.0f}", f"{share:.0%}", memory]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=10, help="of each case, three of them not timed [10]")
    add_write_option(parser)
    arguments = parser.parse_args()
    rows: list[list[Cell]] = []
    for size, sequences in _NETWORKS:
        for recompute in (False, True):
            config = {
                "size": size,
                "batch": {"sequences": sequences, "length": _LENGTH},
                "parallel": {"zero": 1},
                "precision": "bf16",
                "recompute": recompute,
            }
            rows.append(row(size, sequences, recompute, run_case(Case(config, steps=arguments.steps))))
            print(rows[-1], flush=True)
    columns = ["network", "recompute", "parameters (10^9)", "tokens/s", "of the peak", "peak GiB"]
    measured = describe_measurement("python -m benchmarks gpu.training")
    note = f"Medians of {arguments.steps - 3} steps. {describe_device()}. {measured}"
    publish("gpu.training", f"{markdown_table(columns, rows)}\n\n{note}", arguments.write)


if __name__ == "__main__":
    main()
