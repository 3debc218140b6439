"""Replicas that follow load: a real arrival trace, compressed in time, against an autoscaled model."""

from __future__ import annotations

import argparse
import asyncio
import csv
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from actors.engines.protocol import Delta, EngineStats, GenerationRequest, Message
from benchmarks.machine import describe_measurement
from benchmarks.serving.server import free_port
from benchmarks.tables import add_write_option, markdown_table, publish
from serve_apps.config import ModelSettings, ServeConfig

# Both are compressed with the trace: a minute of the trace passes in 60 / speed seconds.
_WINDOW_S, _DOWN_AFTER_S = 60.0, 120.0
_SAMPLE_S = 0.5
_AFTER_S = 5.0


@dataclass(frozen=True)
class Arrival:
    """A request of the trace: seconds since the first one, tokens to make."""

    at_s: float
    tokens: int


@dataclass(frozen=True)
class Outcome:
    """A request as its client saw it; `first_s` is None where it failed."""

    first_s: float | None


@dataclass(frozen=True)
class Sample:
    """A moment of the replay, in seconds since its start."""

    at_s: float
    in_flight: int
    running: int
    starting: int


@dataclass
class Replay:
    """What was seen."""

    outcomes: list[Outcome] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    in_flight: int = 0


class TimedEngine:
    """An engine of known service time: a token takes `options.token_s`, however many requests there are.

    So what is measured is the scaling, not this machine's arithmetic.
    """

    name = "timed"
    context_length = 1 << 20

    def __init__(self, model: ModelSettings) -> None:
        self._token_s: float = model.options["token_s"]
        self._running = 0

    async def start(self) -> None: ...

    def render_chat(self, messages: Sequence[Message]) -> str:
        return "\n".join(message["content"] for message in messages)

    async def generate(self, request: GenerationRequest) -> AsyncIterator[Delta]:
        self._running += 1
        try:
            most = request.sampling.max_tokens
            await asyncio.sleep(self._token_s)
            if most > 1:
                yield Delta("一", 1, 1)
                await asyncio.sleep(self._token_s * (most - 1))
            yield Delta("二", 1, most, "length")
        finally:
            self._running -= 1

    async def abort(self, request_id: str) -> None: ...

    def stats(self) -> EngineStats:
        return EngineStats(self._running, 0, 0, 0)

    async def health(self) -> None: ...

    async def shutdown(self) -> None: ...


def main() -> None:
    """Replay the trace, print the table, and draw the plot where asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks serving.trace", description=__doc__)
    parser.add_argument("trace", type=Path, help="CSV with TIMESTAMP, ContextTokens, GeneratedTokens (Azure's form)")
    parser.add_argument("--speed", type=float, default=20.0, help="how many times faster than it happened")
    parser.add_argument("--one-of", type=int, default=12, help="replay every so many-th request")
    parser.add_argument("--token-s", type=float, default=0.008, help="seconds that a token takes")
    parser.add_argument("--target", type=float, default=4.0, help="replicas.target_ongoing")
    parser.add_argument("--max", type=int, default=8, help="replicas.max")
    parser.add_argument("--plot", type=Path, help="draw it into this .svg or .png file")
    add_write_option(parser)
    options = parser.parse_args()
    arrivals = read_trace(options.trace, options.speed, options.one_of)
    with served(options) as url:
        replay = asyncio.run(replayed(arrivals, url))
    # The name of the file only: where it lies is the reader's affair.
    command = f"python -m benchmarks serving.trace {options.trace.name} --speed {options.speed:g}"
    command += f" --one-of {options.one_of} --token-s {options.token_s:g} --target {options.target:g}"
    publish("serving.trace", f"{table(replay, options)}\n\n{describe_measurement(command)}", options.write)
    if options.plot:
        draw(replay, options.target, options.plot)


def read_trace(file: Path, speed: float, one_of: int) -> list[Arrival]:
    """Every `one_of`-th request, `speed` times as fast as it came."""
    with file.open(encoding="utf-8-sig", newline="") as lines:
        rows = list(csv.DictReader(lines))[::one_of]
    # Seven digits of a second are one more than Python reads.
    times = [datetime.fromisoformat(row["TIMESTAMP"][:26]) for row in rows]
    return [
        Arrival((moment - times[0]).total_seconds() / speed, max(1, int(row["GeneratedTokens"])))
        for moment, row in zip(times, rows, strict=True)
    ]


@contextmanager
def served(options: argparse.Namespace) -> Iterator[str]:
    """The gateway and the model, as `danlu serve` starts them but for the engine; yields the URL."""
    from ray import cloudpickle, serve

    from cluster.local_ray import ray_session
    from cluster.serve_proxy import haproxy, has_haproxy
    from serve_apps.language_model import app_name
    from serve_apps.models import application
    from serve_apps.specs import app_specs

    cloudpickle.register_pickle_by_value(sys.modules[__name__])  # replicas need not find benchmarks/
    port = free_port()
    proxy = haproxy() if has_haproxy() else nullcontext()  # as `danlu serve` decides
    with tempfile.TemporaryDirectory() as folder, proxy, ray_session(cpus=max(4, os.cpu_count() or 1)):
        config = ServeConfig.model_validate(
            {
                "models": [
                    {"name": "m", "path": folder, "cpus": 0.1, "options": {"token_s": options.token_s}}
                    | {"replicas": replicas(options)}
                ]
            }
        )
        (model,) = config.models
        plain = model.model_copy(update={"options": {}})
        specs = app_specs(config.model_copy(update={"models": [plain]}))
        (gateway,) = [spec for spec in specs if spec.name == "gateway"]
        serve.start(http_options={"host": "127.0.0.1", "port": port}, logging_config={"enable_access_log": False})
        serve.run(application(model, TimedEngine), name=app_name("m"), route_prefix=None)
        serve.run(gateway.build(), name="gateway", route_prefix="/v1")
        try:
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            serve.shutdown()


def replicas(options: argparse.Namespace) -> dict[str, Any]:
    """The `replicas` block of the model: its times are compressed as the trace is."""
    return {
        "min": 1,
        "max": options.max,
        "target_ongoing": options.target,
        "window_s": _WINDOW_S / options.speed,
        "up_after_s": 0.0,
        "down_after_s": _DOWN_AFTER_S / options.speed,
    }


async def replayed(arrivals: Sequence[Arrival], url: str) -> Replay:
    """Send every request at its time, whatever the answers do; watch until the replicas have gone down again."""
    import httpx

    replay = Replay()
    began = time.perf_counter()
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=url, timeout=120, limits=limits) as http:
        watching = asyncio.create_task(_watch(replay, began))
        asked = []
        for arrival in arrivals:
            await asyncio.sleep(arrival.at_s - (time.perf_counter() - began))
            asked.append(asyncio.create_task(_ask(http, arrival, replay)))
        await asyncio.gather(*asked)
        deadline = time.perf_counter() + 60
        while replay.samples[-1].running > 1 and time.perf_counter() < deadline:
            await asyncio.sleep(_SAMPLE_S)
        await asyncio.sleep(_AFTER_S)
        watching.cancel()
    return replay


async def _ask(http: Any, arrival: Arrival, replay: Replay) -> None:
    body = {"model": "m", "prompt": "x", "max_tokens": arrival.tokens, "stream": True}
    began, first = time.perf_counter(), None
    replay.in_flight += 1
    try:
        async with http.stream("POST", "/completions", json=body) as answer:
            if answer.status_code == 200:
                async for line in answer.aiter_lines():
                    if line.startswith("data: {") and first is None:
                        first = time.perf_counter() - began
    finally:
        replay.in_flight -= 1
        replay.outcomes.append(Outcome(first))


async def _watch(replay: Replay, began: float) -> None:
    from ray import serve

    while True:
        status = await asyncio.to_thread(serve.status)
        states = status.applications["model-m"].deployments["engine"].replica_states
        running = int(states.get("RUNNING", 0))
        starting = int(states.get("STARTING", 0))
        replay.samples.append(Sample(time.perf_counter() - began, replay.in_flight, running, starting))
        await asyncio.sleep(_SAMPLE_S)


def table(replay: Replay, options: argparse.Namespace) -> str:
    """One line."""
    firsts = [outcome.first_s * 1000 for outcome in replay.outcomes if outcome.first_s is not None]
    failed = sum(outcome.first_s is None for outcome in replay.outcomes)
    most = max(sample.running for sample in replay.samples)
    percentiles = statistics.quantiles(firsts, n=100)
    columns = ["requests", "failed", "in flight, mean", "most", "replicas, mean", "most", "of always most"]
    columns += ["first token p50, ms", "p99, ms", "service time, s"]
    mean = mean_of(replay.samples, "running")
    row = [f"{len(replay.outcomes):,}", failed, mean_of(replay.samples, "in_flight")]
    row += [max(sample.in_flight for sample in replay.samples), mean, most, f"{mean / most:.0%}"]
    row += [percentiles[49], percentiles[98], f"{options.token_s:g} a token"]
    return markdown_table(columns, [row])


def mean_of(samples: Sequence[Sample], name: str) -> float:
    """Mean over time."""
    steps = [(after.at_s - before.at_s, getattr(before, name)) for before, after in pairwise(samples)]
    return sum(seconds * value for seconds, value in steps) / sum(seconds for seconds, _ in steps)


def draw(replay: Replay, target: float, file: Path) -> None:
    """Requests in flight and replicas over time; the two axes agree where every replica has its target."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    times = [sample.at_s for sample in replay.samples]
    with rc_context({"svg.hashsalt": "danlu", "font.size": 9}):
        figure = Figure(figsize=(8, 3.2), layout="constrained")
        flight = figure.subplots()
        flight.fill_between(times, [s.in_flight for s in replay.samples], color="#4c72b0", alpha=0.35, linewidth=0)
        number = flight.twinx()
        number.step(times, [s.running for s in replay.samples], where="post", color="#c44e52")
        highest = 1.1 * max(max(s.in_flight / target for s in replay.samples), max(s.running for s in replay.samples))
        flight.set(
            xlabel="seconds", ylabel="requests in flight (area)", ylim=(0, highest * target), xlim=(0, times[-1])
        )
        number.set(ylabel="replicas that serve (line)", ylim=(0, highest))
        file.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(file, metadata={"Date": None} if file.suffix == ".svg" else None)


if __name__ == "__main__":
    main()
