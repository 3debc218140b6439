"""What Serve and the gateway cost: tokens per second and time to the first token, beside the bare engine in a loop.

    python -m benchmarks serving.overhead [--runs 5]

The same checkpoint, engine and requests, in turns on one machine: once through `danlu serve` over HTTP, by a client
that reads the streams, and once by calling the engine's own generator in this process. Client and servers share the
cores.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from actors.engines.protocol import Engine, GenerationRequest, SamplingParams
from actors.engines.select import create_engine
from benchmarks.machine import describe_measurement
from benchmarks.serving.client import stream_all
from benchmarks.serving.models import ensure_model, prompt_text
from benchmarks.serving.server import danlu_serve
from benchmarks.tables import Cell, add_write_option, markdown_table, median_and_range, publish

_PROMPT, _ANSWER = 64, 128  # tokens
_SINGLE = 15  # requests, one after the other, of which the first three warm up
_WARM_UP = 3


class Numbers:
    """Prompts that nobody has asked before: a cached prefix would hide what is measured."""

    def __init__(self) -> None:
        self._next = 0

    def messages(self, count: int) -> list[list[dict[str, str]]]:
        self._next += count
        numbers = range(self._next - count, self._next)
        return [[{"role": "user", "content": prompt_text(_PROMPT, number)}] for number in numbers]


async def through_engine(
    engine: Engine, messages: list[list[dict[str, str]]], tokens: int
) -> tuple[float, list[float]]:
    """Tokens per second of all requests at once, and seconds to each first text."""

    async def one(number: int, conversation: list[dict[str, str]]) -> tuple[int, float]:
        sampling = SamplingParams(max_tokens=tokens, temperature=0.0, ignore_eos=True)
        request = GenerationRequest(f"r{time.monotonic_ns()}-{number}", engine.render_chat(conversation), sampling)
        began, first, count = time.perf_counter(), 0.0, 0
        async for delta in engine.generate(request):
            if delta.text and not first:
                first = time.perf_counter() - began
            count = delta.completion_tokens
        return count, first

    began = time.perf_counter()
    answers = await asyncio.gather(*(one(number, conversation) for number, conversation in enumerate(messages)))
    seconds = time.perf_counter() - began
    return sum(count for count, _ in answers) / seconds, [first for _, first in answers]


async def through_gateway(url: str, messages: list[list[dict[str, str]]], tokens: int) -> tuple[float, list[float]]:
    """The same over HTTP."""
    common: dict[str, Any] = {"model": "m", "max_tokens": tokens, "temperature": 0, "ignore_eos": True}
    began = time.perf_counter()
    answers = await stream_all(url, [{**common, "messages": conversation} for conversation in messages])
    seconds = time.perf_counter() - began
    if errors := [answer.error for answer in answers if answer.error]:
        raise RuntimeError(errors[0])
    return sum(answer.tokens for answer in answers) / seconds, [answer.first_s for answer in answers]


async def measure(engine: Engine, url: str, runs: int, streams: int) -> dict[str, list[float]]:
    """{what: values} of `runs` turns."""
    numbers = Numbers()
    found: dict[str, list[float]] = {key: [] for key in ("engine", "gateway", "engine first", "gateway first")}
    await engine.start()
    ways = {"engine": (through_engine, engine), "gateway": (through_gateway, url)}
    for ask, target in ways.values():
        await ask(target, numbers.messages(streams), 16)  # type: ignore[operator]
    for _ in range(runs):
        for name, (ask, target) in ways.items():
            speed, _ = await ask(target, numbers.messages(streams), _ANSWER)  # type: ignore[operator]
            found[name].append(speed)
            firsts = [(await ask(target, numbers.messages(1), 4))[1][0] for _ in range(_SINGLE)]  # type: ignore[operator]
            found[f"{name} first"].append(1e3 * statistics.median(firsts[_WARM_UP:]))
            print(f"{name}: {speed:.0f} tokens/s, first token {found[f'{name} first'][-1]:.1f} ms", file=sys.stderr)
    await engine.shutdown()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="turns of each [5]")
    parser.add_argument("--streams", type=int, default=16, help="requests at once [16]")
    parser.add_argument("--model", default="50m", help="network of benchmarks/serving/models.py [50m]")
    add_write_option(parser)
    options = parser.parse_args()
    path = ensure_model(options.model)
    config = {"models": [{"name": "m", "path": str(path), "engine": "openvino", "replicas": {"target_ongoing": 32}}]}
    engine = create_engine(path, engine="openvino")
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch,
        danlu_serve(Path(scratch), config) as (url, _),
    ):
        found = asyncio.run(measure(engine, url, options.runs, options.streams))
    ratio = statistics.median(found["gateway"]) / statistics.median(found["engine"])
    added = statistics.median(found["gateway first"]) - statistics.median(found["engine first"])
    rows: list[list[Cell]] = [
        ["through `danlu serve`", median_and_range(found["gateway"]), median_and_range(found["gateway first"])],
        ["the engine in a loop", median_and_range(found["engine"]), median_and_range(found["engine first"])],
        ["ratio, difference", f"{ratio:.3f}", f"{added:+.1f}"],
    ]
    columns = ["", f"tokens/s, {options.streams} streams", "first token of one stream, ms (p50)"]
    command = f"python -m benchmarks serving.overhead --runs {options.runs} --model {options.model}"
    note = (
        f"Medians of {options.runs} (ranges); prompts of {_PROMPT} tokens, answers of {_ANSWER}. "
        f"{describe_measurement(command)}"
    )
    publish("serving.overhead", f"{markdown_table(columns, rows)}\n\n{note}", options.write)


if __name__ == "__main__":
    main()
