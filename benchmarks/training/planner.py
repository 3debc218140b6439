"""The training planner against speeds that others published, row by row; --fit fits its constants anew.

    python -m benchmarks training.planner [--write docs/training.md] [--fit]

Arithmetic alone: it takes a second, and gives the same figures on every machine.
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from benchmarks.tables import Cell, add_write_option, markdown_table, publish
from pipelines.training.planner.anchors import RUNS, SOURCES, PublishedRun
from pipelines.training.planner.time import CONSTANTS, Constants, step_time

_TURNS = 20_000
# What is fitted, and between which bounds.
_SHARES = ("A100 80 GB", "H100 SXM", "H100 500 W")
_BOUNDS = {
    "narrow": (0.1, 20.0),
    "fused_passes": (0.5, 8.0),
    "plain_passes": (0.5, 8.0),
    "link_share": (0.3, 0.8),
    "hidden_share": (0.3, 0.8),
    **dict.fromkeys(_SHARES, (0.3, 0.95)),
}

_WEAK = (
    ("torchtitan, Llama 3.1 8B, 8 to 128 H100", "8B, 8 cards, FSDP", "8B, 128 cards, FSDP"),
    ("the same, compiled", "8B, 8 cards, FSDP, compiled", "8B, 128 cards, FSDP, compiled"),
    (
        "torchtitan, Llama 3.1 8B, 32 to 64 H200",
        "8B, 32 cards, FSDP, compiled, float8",
        "8B, 64 cards, FSDP, compiled, float8",
    ),
    (
        "LLM Foundry, MPT 1B, 8 to 64 H100",
        "MPT 1B, 8 H100 SXM, 2048 tokens, FSDP",
        "MPT 1B, 64 H100 SXM, 2048 tokens, FSDP",
    ),
    (
        "LLM Foundry, MPT 3B, 16 to 64 H100",
        "MPT 3B, 16 H100 SXM, 2048 tokens, FSDP",
        "MPT 3B, 64 H100 SXM, 2048 tokens, FSDP",
    ),
    (
        "LLM Foundry, MPT 13B, 8 to 64 H100",
        "MPT 13B, 8 H100 SXM, 2048 tokens, FSDP",
        "MPT 13B, 64 H100 SXM, 2048 tokens, FSDP",
    ),
)
# Not from where the constants stand, or a second fit would differ from the first.
_START = {
    "narrow": 2.0,
    "fused_passes": 2.0,
    "plain_passes": 5.0,
    "link_share": 0.7,
    "hidden_share": 0.5,
} | dict.fromkeys(_SHARES, 0.7)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fit", action="store_true", help="fit the constants to the rows marked so, and print them")
    add_write_option(parser)
    arguments = parser.parse_args()
    if arguments.fit:
        for name, value in fit([run for run in RUNS if run.fitted]).items():
            print(f"{name:14} {value:.3f}")
    else:
        publish("training.planner", report(RUNS), arguments.write)


def predicted(run: PublishedRun, constants: Constants = CONSTANTS) -> float:
    """Tokens per second and card."""
    seconds = step_time(run.workload, run.choice, run.cluster, constants).total
    return run.workload.step_tokens / (seconds * run.choice.cards)


def report(runs: Sequence[PublishedRun]) -> str:
    """The table, and what it comes to."""
    rows: list[list[Cell]] = []
    for run in runs:
        speed = predicted(run)
        error = f"{100 * (speed / run.tokens_per_s - 1):+.1f}%"
        rows.append([run.name, run.source, run.tokens_per_s, speed, error, "fitted" if run.fitted else ""])
    table = markdown_table(["run", "source", "published, tokens/s/card", "planner", "error", ""], rows)
    old = "Megatron-LM, ZeRO-3"
    groups = {
        "rows that the constants were fitted to": [run for run in runs if run.fitted],
        "all other rows": [run for run in runs if not run.fitted],
        "all other rows but those of ZeRO-3 alone in 2021": [r for r in runs if not r.fitted and r.source != old],
    }
    lines = [f"- {name} ({len(group)}): {_summary(group)}" for name, group in groups.items()]
    sources = [f"- {name}: {address}" for name, address in SOURCES.items()]
    assumed = sorted({f"- {run.source}: {run.assumed}" for run in runs if run.assumed})
    weak = [[name, *_weak(_named(runs, few), _named(runs, many))] for name, few, many in _WEAK]
    scaling = markdown_table(["weak scaling, tokens/s/card of many over few", "published", "planner"], weak)
    parts = [table, scaling, "Errors, without their signs:", "\n".join(lines), "Assumed where a source says nothing:"]
    return "\n\n".join([*parts, "\n".join(assumed), "Sources:", "\n".join(sources)])


def _named(runs: Sequence[PublishedRun], name: str) -> PublishedRun:
    return next(run for run in runs if run.name == name)


def _weak(few: PublishedRun, many: PublishedRun) -> list[Cell]:
    published, planned = many.tokens_per_s / few.tokens_per_s, predicted(many) / predicted(few)
    return [f"{100 * published:.1f}%", f"{100 * planned:.1f}%"]


def _summary(runs: Iterable[PublishedRun]) -> str:
    errors = [abs(predicted(run) / run.tokens_per_s - 1) for run in runs]
    return f"median {100 * statistics.median(errors):.1f}%, worst {100 * max(errors):.0f}%"


def fit(runs: Sequence[PublishedRun]) -> dict[str, float]:
    """The constants with the least sum of errors (absolute logarithms), by random steps that grow smaller. The sum has
    kinks, in which steps along one constant after the other would be caught.
    """

    def loss(values: dict[str, float]) -> float:
        return sum(abs(math.log(predicted(*_with(run, values)) / run.tokens_per_s)) for run in runs)

    return _descend(_START, loss)


def _descend(values: dict[str, float], loss: Callable[[dict[str, float]], float]) -> dict[str, float]:
    dice, least = random.Random(0), loss(values)
    for turn in range(_TURNS):
        size = 0.25 * (1 - turn / _TURNS) + 0.005
        moved = {name: values[name] * math.exp(dice.gauss(0, size)) for name in values}
        trial = {name: min(high, max(low, moved[name])) for name, (low, high) in _BOUNDS.items()}
        if (found := loss(trial)) < least:
            values, least = trial, found
    return values


def _with(run: PublishedRun, values: dict[str, float]) -> tuple[PublishedRun, Constants]:
    card = run.cluster.card
    share = values.get(card.name, card.matmul_share)
    constants = replace(CONSTANTS, **{name: value for name, value in values.items() if name not in _SHARES})
    return replace(run, cluster=replace(run.cluster, card=replace(card, matmul_share=share))), constants


if __name__ == "__main__":
    main()
