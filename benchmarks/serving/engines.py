"""The CPU engine beside transformers' `generate`: tokens per second at 1 and 16 requests, sizes, memory bandwidth.

    python -m benchmarks serving.engines [--model 400m --rounds 5 --write docs/serving.md]

A random Qwen3 (what its tokens say changes nothing in the cost), prompts of 64 tokens, greedy answers. All contestants
are loaded in one process and take turns, so that each meets the same machine; the first round warms up and is not
counted. 16 requests are sent at once; what batching gains is their rate over that of one request at a time.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import statistics
from collections import defaultdict
from pathlib import Path

import openvino as ov

from actors.engines.model_files import read_config
from actors.engines.openvino_architecture import read_architecture
from actors.engines.openvino_folder import MODEL_FILE, openvino_folder
from actors.engines.processor import has_bf16
from actors.engines.settings import StoredWeights
from benchmarks.environments import cache_folder
from benchmarks.machine import describe_measurement
from benchmarks.serving.bandwidth import copy_bandwidth, read_bandwidth
from benchmarks.serving.contestants import PROMPT_TOKENS, Contestant, Generate, OwnEngine
from benchmarks.serving.models import MODELS, ensure_model
from benchmarks.tables import Cell, add_write_option, markdown_table, median_and_range, publish

_MANY = 16
_ANSWER_TOKENS = {"tiny": 64, "50m": 64, "400m": 32, "moe": 32}
_WARM_UP_TOKENS = 4
Rates = dict[str, dict[int, list[float]]]  # tokens/s by contestant and number of requests


def line_up(checkpoint: Path) -> list[Contestant]:
    """The contestants; the first one is what the others are compared with."""
    return [
        Generate("transformers `generate`, float32", checkpoint, "float32"),
        Generate("transformers `generate`, bfloat16", checkpoint, "bfloat16"),
        OwnEngine("danlu, precision: fp32", checkpoint, precision="fp32"),
        OwnEngine("danlu, as it comes", checkpoint),
        OwnEngine("danlu, weights: int8", checkpoint, weights="int8"),
        OwnEngine("danlu, weights: int4", checkpoint, weights="int4"),
    ]


async def measure(contestants: list[Contestant], rounds: int, answer_tokens: int) -> Rates:
    """Tokens per second of 1 and of 16 requests at a time."""
    rates: Rates = defaultdict(lambda: defaultdict(list))
    for contestant in contestants:
        await contestant.start()
    for number in range(rounds + 1):
        for requests in (1, _MANY):
            for contestant in contestants:
                tokens = answer_tokens if number else _WARM_UP_TOKENS
                rate = await contestant.tokens_per_s(requests, tokens, seed=number)
                if number:
                    rates[contestant.name][requests].append(rate)
    for contestant in contestants:
        await contestant.stop()
    return rates


def speed_rows(rates: Rates) -> list[list[Cell]]:
    """A row for each contestant; ratios are of medians over the first one's."""
    (base, *_) = rates.values()
    rows: list[list[Cell]] = []
    for name, kinds in rates.items():
        row: list[Cell] = [name]
        for requests, found in kinds.items():
            row += [median_and_range(found), f"{_median(found) / _median(base[requests]):.2f}x"]
        rows.append([*row, f"{_median(kinds[_MANY]) / _median(kinds[1]):.2f}x"])
    return rows


def memory_rows(rates: Rates, sizes: dict[str, int], read: float) -> list[list[Cell]]:
    """Size, and the share of the read bandwidth that decoding one sequence reaches, by form of the weights.

    Args:
        sizes: bytes of weights that are read for a token, by contestant; the first one is float32.
        read: bytes per second.
    """
    full = next(iter(sizes.values()))
    return [
        [name, f"{size / 1e6:.1f}", f"{size / full:.1%}", f"{size * _median(rates[name][1]) / read:.0%}"]
        for name, size in sizes.items()
    ]


def weight_bytes(checkpoint: Path, weights: StoredWeights) -> int:
    """Bytes of a converted model's weights."""
    return (_converted(checkpoint, weights) / MODEL_FILE).with_suffix(".bin").stat().st_size


def token_bytes(checkpoint: Path, weights: StoredWeights) -> int:
    """Bytes of weights that are read for a token: with a shared embedding all of them, but of experts those in use."""
    experts = read_architecture(read_config(checkpoint)).experts
    size = weight_bytes(checkpoint, weights)
    if experts is None:
        return size
    model = ov.Core().read_model(_converted(checkpoint, weights) / MODEL_FILE)
    return size - expert_bytes(model, experts.count) * (experts.count - experts.used) // experts.count


def expert_bytes(model: ov.Model, count: int) -> int:
    """Bytes of the constants that hold a matrix, or a quantized one's scales, for each of `count` experts."""
    constants = (node for node in model.get_ops() if node.get_type_name() == "Constant")
    outputs = (node.output(0) for node in constants)
    stacks = (out for out in outputs if len(out.get_shape()) >= 3 and out.get_shape()[0] == count)
    return sum(math.prod(out.get_shape()) * out.get_element_type().bitwidth // 8 for out in stacks)


def _converted(checkpoint: Path, weights: StoredWeights) -> Path:
    os.environ.setdefault("DANLU_CACHE", str(cache_folder()))
    return openvino_folder(checkpoint, weights)


def _median(values: list[float]) -> float:
    return statistics.median(values)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=sorted(MODELS), default="50m", help="which model [50m]")
    parser.add_argument("--rounds", type=int, default=5, help="rounds that count [5]")
    add_write_option(parser)
    arguments = parser.parse_args()
    name, threads = arguments.model, os.cpu_count() or 1
    checkpoint, answer_tokens = ensure_model(name), _ANSWER_TOKENS[name]
    sizes = {
        "danlu, precision: fp32": token_bytes(checkpoint, "fp32"),
        # Where the processor has bf16, the weights are held so after loading.
        "danlu, as it comes": token_bytes(checkpoint, "bf16" if has_bf16() else "fp32"),
        "danlu, weights: int8": token_bytes(checkpoint, "int8"),
        "danlu, weights: int4": token_bytes(checkpoint, "int4"),
    }
    read, copy = read_bandwidth(threads), copy_bandwidth(threads)
    rates = asyncio.run(measure(line_up(checkpoint), arguments.rounds, answer_tokens))
    read = max(read, read_bandwidth(threads))  # the machine may have been slower the first time
    columns = ["tokens/s", "1 request", "ratio", f"{_MANY} requests", "ratio", f"{_MANY} over 1"]
    speeds = markdown_table(columns, speed_rows(rates))
    memory = markdown_table(
        ["", "MB read for a token", "of float32", "of the read bandwidth, 1 request"], memory_rows(rates, sizes, read)
    )
    said = describe_measurement(f"python -m benchmarks serving.engines --model {name}")
    millions = weight_bytes(checkpoint, "fp32") / 4e6
    note = (
        f"Model {name}: {millions:.0f} million weights; prompts of {PROMPT_TOKENS} tokens, "
        f"answers of {answer_tokens}. Medians (least to greatest) of {arguments.rounds} rounds in turns. "
        f"Reading {read / 1e9:.1f} GB/s, copying {copy / 1e9:.1f} GB/s (read and written). {said}"
    )
    publish(f"serving.engines.{name}", f"{speeds}\n\n{memory}\n\n{note}", arguments.write)


if __name__ == "__main__":
    main()
