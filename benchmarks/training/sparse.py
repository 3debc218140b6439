"""A sparse network beside its dense twin: validation loss, weights per token, and speed of decoding one sequence.

    python -m benchmarks training.sparse trained [--steps 800 --keep FOLDER --write docs/training.md]
    python -m benchmarks training.sparse large [--rounds 7 --write docs/training.md]

`trained` trains both twins on classic novels, first the dense one. `large` times a pair of random networks whose
weights no cache holds: what decoding costs does not depend on their values. One thread; speed is counted per
CPU-second, so that it holds on a busy machine too, and the networks take turns.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from actors.networks.parameters import count_parameters
from actors.networks.sizes import Sizes
from benchmarks.machine import data_folder, describe_measurement
from benchmarks.tables import Cell, add_write_option, markdown_table, median_and_range, publish
from benchmarks.training.twins import Recipe, Tokens, decode_greedily, make_twin, read_tokens, train_twin

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_SMALL = {"layers": 2, "hidden": 64, "intermediate": 768, "heads": 2, "kv_heads": 1, "head_dim": 32}
_WIDE = {"layers": 6, "hidden": 1024, "intermediate": 8192, "heads": 16, "kv_heads": 4, "head_dim": 64}
# The sparse twins have 4.1 times the feed-forward neurons; a token meets 3/8 as many as in the dense ones.
TRAINED = {
    "dense": Sizes(**_SMALL),
    "sparse": Sizes(**_SMALL, slices=64, slices_per_token=4, slice_width=48, shared_width=96),
}
LARGE = {
    "dense": Sizes(**_WIDE),
    "sparse": Sizes(**_WIDE, slices=64, slices_per_token=4, slice_width=512, shared_width=1024),
}
_BYTES, _LARGE_VOCABULARY = 256, 2048
_PROMPT_TOKENS = 16
_COLUMNS = ("network", "parameters", "met by a token", "MFLOP per token", "validation loss", "tokens per CPU-second",
            "over its dense twin")  # fmt: skip


@dataclass(frozen=True)
class Contestant:
    """A network of the comparison; `loss` is its validation loss, None where it is not trained."""

    name: str
    sizes: Sizes
    model: PreTrainedModel
    loss: float | None = None


def main() -> None:
    """Print the table of one of the two comparisons."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pair", choices=["trained", "large"])
    parser.add_argument("--steps", type=int, default=800, help="optimizer steps of each training")
    parser.add_argument("--seed", type=int, default=0, help="of the first weights and the order of the text")
    parser.add_argument("--device", default="cpu", help="that the twins are trained on; decoding is timed on the CPU")
    parser.add_argument("--keep", type=Path, help="folder for trained twins; what lies there is not trained again")
    parser.add_argument("--rounds", type=int, default=7, help="timed rounds; the networks take turns in each")
    parser.add_argument("--tokens", type=int, default=32, help="tokens decoded by each network in a round")
    add_write_option(parser)
    options = parser.parse_args()
    torch.set_num_threads(1)
    command = f"python -m benchmarks training.sparse {options.pair}"
    rows: list[list[Cell]] = []
    if options.pair == "trained":
        command += f" --steps {options.steps} --seed {options.seed} --device {options.device}"
        rows = rows_of(_trained_pair(options), torch.float32, options.rounds, options.tokens)
    else:
        for dtype, short in ((torch.float32, "fp32"), (torch.bfloat16, "bf16")):
            pair = [
                Contestant(f"{name}, {short}", sizes, make_twin(sizes, _LARGE_VOCABULARY))
                for name, sizes in LARGE.items()
            ]
            rows += rows_of(pair, dtype, options.rounds, options.tokens)
    body = f"{markdown_table(_COLUMNS, rows)}\n\n{describe_measurement(command)}"
    publish(f"training.sparse.{options.pair}", body, options.write)


def _trained_pair(options: argparse.Namespace) -> list[Contestant]:
    recipe, tokens = Recipe(options.steps), None
    pair = []
    for name, sizes in TRAINED.items():
        model = make_twin(sizes, _BYTES, options.seed).to(options.device)
        kept = options.keep / f"{name}-{options.steps}-{options.seed}.pt" if options.keep else None
        if kept is not None and kept.is_file():
            found = torch.load(kept, weights_only=True)
            model.load_state_dict(found["weights"])
        else:
            tokens = tokens or _read_tokens(options.device)
            loss = train_twin(model, tokens, recipe, options.seed, lambda line, name=name: _say(f"{name}, {line}"))
            found = {"loss": loss, "weights": model.state_dict()}
            if kept is not None:
                kept.parent.mkdir(parents=True, exist_ok=True)
                torch.save(found, kept)
        _say(f"{name}: validation loss {found['loss']:.4f}")
        pair.append(Contestant(name, sizes, model.to("cpu"), found["loss"]))
    return pair


def _read_tokens(device: str) -> Tokens:
    tokens = read_tokens(data_folder() / "zh_classics")
    _say(f"{len(tokens.training):,} bytes, {len(tokens.validation):,} held out")
    return Tokens(tokens.training.to(device), tokens.validation.to(device))


def rows_of(pair: Sequence[Contestant], dtype: torch.dtype, rounds: int, count: int) -> list[list[Cell]]:
    """The table's rows of a dense network and its sparse twin, timed in turns."""
    speeds = time_decoding([one.model.to(dtype).eval() for one in pair], rounds, count)
    gains = [sparse / dense for dense, sparse in zip(*speeds, strict=True)]
    return [
        _row(one, speed, median_and_range(gains) if one is pair[1] else None)
        for one, speed in zip(pair, speeds, strict=True)
    ]


def _row(one: Contestant, speeds: Sequence[float], gain: str | None) -> list[Cell]:
    counted = count_parameters(one.sizes, one.model.config.vocab_size)
    # Two operations per weight; what attention computes over the cache is the same for both and left out.
    flops = 2 * counted.active / 1e6
    return [one.name, counted.total, counted.active, flops, one.loss, statistics.median(speeds), gain]


def time_decoding(models: Sequence[PreTrainedModel], rounds: int, count: int) -> list[list[float]]:
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


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
