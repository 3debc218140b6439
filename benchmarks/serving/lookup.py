"""What guessing ahead (`prompt_lookup`) gains where answers repeat their prompt, and costs where they do not.

    python -m benchmarks serving.lookup [--model 400m --rounds 5 --write docs/serving.md]

Prompts of 128 tokens, greedy answers of 64, of a model whose answers are known beforehand. `a change every 6 tokens` is
a prompt of which the answer repeats runs of five tokens. The settings take turns.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from actors.engines.protocol import GenerationRequest, SamplingParams
from benchmarks.environments import cache_folder
from benchmarks.machine import describe_measurement
from benchmarks.serving.chain_model import chain_prompt, ensure_chain_model
from benchmarks.tables import Cell, add_write_option, markdown_table, median_and_range, publish

_PROMPT_TOKENS, _ANSWER_TOKENS = 128, 64
_CASES = {"word for word": 0, "a change every 6 tokens": 6, "nothing repeated": 1}
_LOOKUPS = (0, 5)
_REQUESTS = (1, 8)
Rates = dict[tuple[str, int], dict[int, list[float]]]  # tokens/s by case and number of requests, by prompt_lookup


async def measure(checkpoint: Path, rounds: int) -> Rates:
    """Tokens per second, after one request to each engine that is not counted."""
    from actors.engines.openvino_engine import OpenVinoEngine

    os.environ.setdefault("DANLU_CACHE", str(cache_folder()))
    engines = {n: OpenVinoEngine(checkpoint, prompt_lookup=n, prefix_cache=False) for n in _LOOKUPS}
    rates: Rates = defaultdict(lambda: defaultdict(list))
    for engine in engines.values():
        await engine.start()
        await _tokens_per_s(engine, 1, 0, rounds)
    for number in range(rounds):
        for case, changed_every in _CASES.items():
            for requests in _REQUESTS:
                for lookup, engine in engines.items():
                    rate = await _tokens_per_s(engine, requests, changed_every, number)
                    rates[case, requests][lookup].append(rate)
    for engine in engines.values():
        await engine.shutdown()
    return rates


def rows(rates: Rates) -> list[list[Cell]]:
    """A row for each case and number of requests: without, with, and the ratio of medians."""
    found: list[list[Cell]] = []
    for (case, requests), by_lookup in rates.items():
        plain, guessing = (by_lookup[n] for n in _LOOKUPS)
        ratio = statistics.median(guessing) / statistics.median(plain)
        found.append(
            [f"{case}, {requests} at a time", median_and_range(plain), median_and_range(guessing), f"{ratio:.2f}x"]
        )
    return found


async def _tokens_per_s(engine: Any, requests: int, changed_every: int, seed: int) -> float:
    began = time.perf_counter()
    counts = await asyncio.gather(*(_ask(engine, changed_every, seed * 100 + i) for i in range(requests)))
    return sum(counts) / (time.perf_counter() - began)


async def _ask(engine: Any, changed_every: int, number: int) -> int:
    prompt = chain_prompt(_PROMPT_TOKENS, changed_every, number)
    sampling = SamplingParams(max_tokens=_ANSWER_TOKENS, temperature=0.0, ignore_eos=True)
    tokens = 0
    async for delta in engine.generate(GenerationRequest(str(number), prompt, sampling)):
        tokens = delta.completion_tokens
    return tokens


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=["50m", "400m"], default="400m", help="whose sizes [400m]")
    parser.add_argument("--rounds", type=int, default=5, help="rounds that count [5]")
    add_write_option(parser)
    arguments = parser.parse_args()
    rates = asyncio.run(measure(ensure_chain_model(arguments.model), arguments.rounds))
    table = markdown_table(
        ["tokens/s where the answer repeats the prompt", "0", f"{_LOOKUPS[1]}", "ratio"], rows(rates)
    )
    said = describe_measurement(f"python -m benchmarks serving.lookup --model {arguments.model}")
    medians = f"medians (least to greatest) of {arguments.rounds} rounds in turns"
    note = f"`prompt_lookup` 0 and {_LOOKUPS[1]}, {medians}. {said}"
    publish("serving.lookup", f"{table}\n\n{note}", arguments.write)


if __name__ == "__main__":
    main()
