"""A sparse network beside its dense twin: validation loss, weights per token, and speed of decoding one sequence."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from actors.networks.parameters import count_parameters
from actors.networks.sizes import Sizes
from benchmarks.machine import data_folder, describe_measurement
from benchmarks.tables import Cell, add_write_option, markdown_table, median_and_range, publish
from benchmarks.training.twins import Recipe, decode_greedily, make_twin, read_tokens, train_twin

_VOCABULARY = 2048
_TRAINED = {
    "dense": Sizes(layers=2, hidden=192, intermediate=2304, heads=3, kv_heads=1, head_dim=64),
    "sparse": Sizes(
        layers=2,
        hidden=192,
        intermediate=2304,
        heads=3,
        kv_heads=1,
        head_dim=64,
        slices=32,
        slices_per_token=4,
        slice_width=144,
    ),
}
# Weights that no cache holds. They are random: what decoding costs does not depend on their values.
_LARGE = {
    "dense": Sizes(layers=6, hidden=1024, intermediate=8192, heads=16, kv_heads=4, head_dim=64),
    "sparse": Sizes(
        layers=6,
        hidden=1024,
        intermediate=8192,
        heads=16,
        kv_heads=4,
        head_dim=64,
        slices=32,
        slices_per_token=4,
        slice_width=512,
    ),
}
_PROMPT_TOKENS = 16
_COLUMNS = ("network", "parameters", "met by a token", "MFLOP per token", "validation loss", "tokens per CPU-second",
            "of its dense twin")  # fmt: skip


@dataclass(frozen=True)
class Contestant:
    """A network of the comparison; `losses` are its validation losses, one per seed."""

    name: str
    sizes: Sizes
    model: torch.nn.Module
    losses: tuple[float, ...] = ()


def main() -> None:
    """Train the twins, time them and a large random pair, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1000, help="optimizer steps of each training")
    parser.add_argument("--seeds", type=int, default=1, help="trainings of each twin")
    parser.add_argument("--rounds", type=int, default=7, help="timed rounds; the networks take turns in each")
    parser.add_argument("--tokens", type=int, default=32, help="tokens decoded by each network in a round")
    add_write_option(parser)
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = _trained_rows(options)
    for dtype in (torch.float32, torch.bfloat16):
        pair = [Contestant(f"{k}, large, {_short(dtype)}", s, make_twin(s, _VOCABULARY)) for k, s in _LARGE.items()]
        rows += _rows(pair, dtype, options.rounds, options.tokens)
    command = f"python -m benchmarks training.sparse --steps {options.steps} --seeds {options.seeds}"
    publish("training.sparse", f"{markdown_table(_COLUMNS, rows)}\n\n{describe_measurement(command)}", options.write)


def _trained_rows(options: argparse.Namespace) -> list[list[Cell]]:
    tokens = read_tokens(data_folder() / "zh_classics", _VOCABULARY)
    recipe = Recipe(options.steps)
    print(f"{len(tokens.training):,} tokens, {len(tokens.validation):,} held out", flush=True)
    pair = []
    for name, sizes in _TRAINED.items():
        losses = []
        for seed in range(options.seeds):
            model = make_twin(sizes, _VOCABULARY, seed)
            losses.append(train_twin(model, tokens, recipe, seed, lambda line: print(line, flush=True)))
            print(f"{name}, seed {seed}: validation loss {losses[-1]:.4f}", flush=True)
        pair.append(Contestant(f"{name}, trained", sizes, model, tuple(losses)))
    return _rows(pair, torch.float32, options.rounds, options.tokens)


def _rows(pair: Sequence[Contestant], dtype: torch.dtype, rounds: int, count: int) -> list[list[Cell]]:
    """The table's rows of a dense network and its sparse twin, timed in turns."""
    speeds = time_decoding([one.model.to(dtype).eval() for one in pair], rounds, count)
    gains = [sparse / dense for dense, sparse in zip(*speeds, strict=True)]
    return [
        _row(one, speed, median_and_range(gains) if one is pair[1] else None)
        for one, speed in zip(pair, speeds, strict=True)
    ]


def _row(one: Contestant, speeds: Sequence[float], gain: str | None) -> list[Cell]:
    counted = count_parameters(one.sizes, _VOCABULARY)
    loss = ", ".join(f"{loss:.3f}" for loss in one.losses) or None
    # Two operations per weight; what attention computes over the cache is the same for both and left out.
    flops = 2 * counted.active / 1e6
    return [one.name, counted.total, counted.active, flops, loss, statistics.median(speeds), gain]


def time_decoding(models: Sequence[torch.nn.Module], rounds: int, count: int) -> list[list[float]]:
    """Tokens per CPU-second of each model in each round, one sequence at a time; the models take turns."""
    prompt = list(range(_PROMPT_TOKENS))
    speeds: list[list[float]] = [[] for _ in models]
    for number in range(rounds + 1):
        for model, found in zip(models, speeds, strict=True):
            began = time.process_time()
            decode_greedily(model, prompt, count)
            if number:  # the first round warms up
                found.append(count / (time.process_time() - began))
    return speeds


def _short(dtype: torch.dtype) -> str:
    return "fp32" if dtype == torch.float32 else "bf16"


if __name__ == "__main__":
    main()
