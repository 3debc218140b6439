"""Tokens per second of two models in the CPU engine, measured in turns so that both meet the same machine."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from actors.engines.openvino_engine import OpenVinoEngine
from actors.engines.protocol import GenerationRequest, SamplingParams
from pipelines.compression.samples import PROMPTS

STREAMS = (1, 8)
_ANSWER_TOKENS = 64
_SECONDS = 0.4  # each measurement repeats its requests for at least this long


def measure(folders: dict[str, Path], rounds: int, threads: int, tell: Callable[[], object]) -> dict[str, float]:
    """Median tokens per second, {"<name>_<number of concurrent streams>": rate}.

    Args:
        folders: converted folders by name.
        rounds: measurements of each; they take turns.
        tell: called after each round.
    """
    return asyncio.run(_measure(folders, rounds, threads, tell))


def answer_once(folder: Path, threads: int) -> int:
    """Start the engine, let it answer one prompt, and return the number of tokens that came."""

    async def session() -> int:
        engine = OpenVinoEngine(folder, threads=threads)
        await engine.start()
        try:
            return await _ask(engine, "0", 8)
        finally:
            await engine.shutdown()

    return asyncio.run(session())


async def _measure(folders: dict[str, Path], rounds: int, threads: int, tell: Callable[[], object]) -> dict[str, float]:
    # Without the prefix cache: repeated prompts are to be read each time.
    engines = {name: OpenVinoEngine(path, threads=threads, prefix_cache=False) for name, path in folders.items()}
    found: dict[str, list[float]] = {f"{name}_{streams}": [] for name in folders for streams in STREAMS}
    try:
        for engine in engines.values():
            await engine.start()
            await _ask(engine, "warm up", 8)
        for _ in range(rounds):
            for streams in STREAMS:
                for name, engine in engines.items():
                    found[f"{name}_{streams}"].append(await _tokens_per_s(engine, streams))
            tell()
    finally:
        for engine in engines.values():
            await engine.shutdown()
    return {name: statistics.median(rates) for name, rates in found.items()}


async def _tokens_per_s(engine: Any, streams: int) -> float:
    tokens, began = 0, time.perf_counter()
    while not tokens or time.perf_counter() - began < _SECONDS:
        tokens += sum(await asyncio.gather(*(_ask(engine, str(i), _ANSWER_TOKENS) for i in range(streams))))
    return tokens / (time.perf_counter() - began)


async def _ask(engine: Any, name: str, tokens: int) -> int:
    """Let the engine produce `tokens` tokens (fewer when its context is short); returns how many came."""
    prompt = PROMPTS[len(name) % len(PROMPTS)]
    room = engine.context_length - len(engine.tokenizer.encode(prompt))
    sampling = SamplingParams(max_tokens=min(tokens, room), temperature=0.0, ignore_eos=True)
    last = None
    async for delta in engine.generate(GenerationRequest(name, prompt, sampling)):
        last = delta
    return last.completion_tokens if last else 0
