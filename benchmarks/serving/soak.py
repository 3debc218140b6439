"""Half an hour at 80% of what a model can do: memory of every process, errors; or with a replica killed every minute.

    python -m benchmarks serving.soak [--minutes 30] [--kill-every 60 --answer 256]

First clients ask again and again, more of them than the model takes at once, three times over five seconds; the median
says how many requests a second it can answer. Then come the requests of 128 users, each of whom thinks for a random
time once he has his answer, on average so long that together they ask at 80% of that rate (with --kill-every of what
one of the two replicas can do); on a shared machine that gets slower they ask less. Every five minutes the capacity is
measured anew; with --kill-every only once, before the first kill. Memory is the resident size of the gateway's and the
model's processes, without what they share; growth is the median of the last tenth of the time over that of the second
tenth, as caches fill in the first. Answers of 32 tokens are over so soon that a kill hardly ever finds one that has
begun; longer ones show how those end.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import random
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import psutil

from benchmarks.machine import describe_measurement
from benchmarks.serving.client import Streamed, stream_chat
from benchmarks.serving.models import ensure_model, prompt_text
from benchmarks.serving.server import danlu_serve
from benchmarks.tables import Cell, add_write_option, markdown_table, publish

_PROMPT = 48  # tokens
_AT_ONCE = 8
_CLIENTS = 3 * _AT_ONCE  # a replica takes twice _AT_ONCE, so some always wait
_USERS = 128
_NUMBERS = itertools.count()  # of requests: no two have the same prompt
_TIMES, _TIME_S = 3, 5.0  # that the capacity is measured
_LOAD = 0.8
_ANEW_S = 300.0
_LOOK_EVERY_S = 5.0
_MODEL, _GATEWAY = "ray::ServeReplica:model-m", "ray::ServeReplica:gateway"
_WATCHED = {"the model's replica": _MODEL, "the model's process": "actors.engines.model_process", "gateway": _GATEWAY}


@dataclass
class Record:
    """What was seen.

    Args:
        answers: of the users.
        took_s: seconds in which they asked.
        capacities: requests per second of all replicas, as often as it was measured.
        memory: (seconds, bytes) by kind of process.
        killed: processes.
    """

    answers: list[Streamed] = field(default_factory=list)
    took_s: float = 0.0
    capacities: list[float] = field(default_factory=list)
    memory: dict[str, list[tuple[float, int]]] = field(default_factory=dict)
    killed: int = 0


def body(number: int, answer: int) -> dict[str, Any]:
    """A request that nobody has made before, for so many tokens."""
    messages = [{"role": "user", "content": prompt_text(_PROMPT, number)}]
    return {"model": "m", "messages": messages, "max_tokens": answer, "temperature": 0, "ignore_eos": True}


async def capacity(url: str, answer: int) -> float:
    """Requests per second when there are always some waiting."""
    async with _session() as session:
        return statistics.median([await _closed_loop(session, url, answer) for _ in range(_TIMES)])


async def _closed_loop(session: aiohttp.ClientSession, url: str, answer: int) -> float:
    count, began = 0, time.perf_counter()

    async def ask() -> None:
        nonlocal count
        while time.perf_counter() - began < _TIME_S:
            answered = await stream_chat(session, url, body(next(_NUMBERS), answer))
            if answered.error:
                raise RuntimeError(answered.error)
            count += 1

    await asyncio.gather(*(ask() for _ in range(_CLIENTS)))
    return count / (time.perf_counter() - began)


def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=120))


async def soak(
    url: str, command: psutil.Process, seconds: float, *, answer: int, copies: int, kill_every_s: float
) -> Record:
    """Requests of users, each for `answer` tokens, as many as load one of the model's `copies` to 80%."""
    record = Record()
    await capacity(url, answer)  # of a model that has just started, and does not count
    record.capacities.append(await capacity(url, answer))
    until = time.perf_counter() + seconds
    watching = asyncio.create_task(_watch(command, record, kill_every_s))
    while True:
        part_s = until - time.perf_counter()
        if not kill_every_s:
            part_s = min(part_s, _ANEW_S)
        await _users(url, record, _LOAD * record.capacities[-1] / copies, part_s, answer)
        record.took_s += part_s
        if until - time.perf_counter() < 2 * _TIMES * _TIME_S:
            break
        record.capacities.append(await capacity(url, answer))
    watching.cancel()
    with suppress(asyncio.CancelledError):
        await watching
    return record


async def _users(url: str, record: Record, rate: float, seconds: float, answer: int) -> None:
    """So many requests a second of all users together."""
    until, pause_s = time.perf_counter() + seconds, (_USERS - _AT_ONCE) / rate  # the others do not think just now
    chance = random.Random(len(record.capacities))
    async with _session() as session:

        async def user() -> None:
            while time.perf_counter() + (thinks_s := chance.expovariate(1 / pause_s)) < until:
                await asyncio.sleep(thinks_s)
                record.answers.append(await stream_chat(session, url, body(next(_NUMBERS), answer)))

        await asyncio.gather(*(user() for _ in range(_USERS)))


async def _watch(command: psutil.Process, record: Record, kill_every_s: float) -> None:
    """Note memory every few seconds, and kill the oldest replica of the model when its time has come."""
    began = last_kill = time.perf_counter()
    while True:
        now = time.perf_counter()
        replicas = []
        for process in command.children(recursive=True):
            with suppress(psutil.Error):
                line = " ".join(process.cmdline())
                for kind, mark in _WATCHED.items():
                    if mark in line:
                        record.memory.setdefault(kind, []).append((now - began, process.memory_full_info().uss))
                if line.startswith(_MODEL):
                    replicas.append(process)
        if kill_every_s and now - last_kill >= kill_every_s and len(replicas) > 1:
            oldest = min(replicas, key=lambda process: process.create_time())
            os.kill(oldest.pid, signal.SIGKILL)
            record.killed += 1
            last_kill = now
            print(f"{now - began:.0f} s: killed a replica; {summary(record.answers)}", file=sys.stderr)
        await asyncio.sleep(_LOOK_EVERY_S)


def summary(answers: list[Streamed]) -> str:
    """How the answers ended."""
    kinds = Counter(
        "whole" if not a.error else "failed before its first text" if not a.began else "cut" for a in answers
    )
    return ", ".join(f"{count:,} {kind}" for kind, count in kinds.items())


def spread(capacities: list[float]) -> str:
    """The median, and the least and the most if there are several."""
    middle = f"{statistics.median(capacities):.0f}"
    return middle if len(capacities) == 1 else f"{middle} ({min(capacities):.0f} to {max(capacities):.0f})"


def growth(samples: list[tuple[float, int]]) -> float:
    """Median of the last tenth of the time over that of the second tenth, less 1."""
    end = samples[-1][0]
    early = [size for moment, size in samples if 0.1 * end <= moment < 0.2 * end]
    late = [size for moment, size in samples if moment >= 0.9 * end]
    return statistics.median(late) / statistics.median(early) - 1


def table(record: Record, minutes: float, answer: int) -> str:
    """What was seen, in rows."""
    answers = record.answers
    before = [a for a in answers if a.error and not a.began]
    cut = [a for a in answers if a.error and a.began]
    told = [a for a in cut if a.error.startswith("event: ")]
    firsts = sorted(a.first_s for a in answers if not a.error)
    rows: list[list[Cell]] = [
        ["minutes", f"{minutes:g}"],
        [
            "requests per second: made, possible (least to most)",
            f"{len(answers) / record.took_s:.0f}, {spread(record.capacities)}",
        ],
        ["requests, tokens of each answer", f"{len(answers):,}, {answer}"],
        ["failed before their first text", len(before)],
        ["broke off later, of these with an error event", f"{len(cut)}, {len(told)}"],
        [
            "first text p50, p99 (ms)",
            f"{1e3 * firsts[len(firsts) // 2]:.0f}, {1e3 * firsts[len(firsts) * 99 // 100]:.0f}",
        ],
    ]
    if record.killed:
        rows.insert(1, ["replicas killed", record.killed])
    else:
        for kind, samples in record.memory.items():
            middle = statistics.median(size for _, size in samples) / 2**20
            rows.append([f"memory of {kind}: MiB, growth", f"{middle:,.0f}, {100 * growth(samples):+.2f}%"])
    for problem in [*before, *cut][:3]:
        print(problem.error, file=sys.stderr)
    return markdown_table(["", "seen"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0, help="how long [30]")
    parser.add_argument(
        "--kill-every", type=float, default=0.0, metavar="SECONDS", help="kill a replica so often [never]"
    )
    parser.add_argument("--answer", type=int, default=32, metavar="TOKENS", help="length of each answer [32]")
    parser.add_argument("--model", default="tiny", help="network of benchmarks/serving/models.py [tiny]")
    add_write_option(parser)
    options = parser.parse_args()
    copies = 2 if options.kill_every else 1
    replicas = {"min": copies, "max": copies, "target_ongoing": _AT_ONCE}
    model = {"name": "m", "path": str(ensure_model(options.model)), "engine": "openvino", "replicas": replicas}
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch,
        danlu_serve(Path(scratch), {"models": [model]}) as (url, command),
    ):
        record = asyncio.run(
            soak(
                url,
                command,
                60 * options.minutes,
                answer=options.answer,
                copies=copies,  # one alone must bear the load while another starts
                kill_every_s=options.kill_every,
            )
        )
    name = "serving.kills" if options.kill_every else "serving.soak"
    more = f" --kill-every {options.kill_every:g}" if options.kill_every else ""
    for option in ("answer", "model"):
        if getattr(options, option) != parser.get_default(option):
            more += f" --{option} {getattr(options, option)}"
    line = f"python -m benchmarks serving.soak --minutes {options.minutes:g}{more}"
    publish(name, f"{table(record, options.minutes, options.answer)}\n\n{describe_measurement(line)}", options.write)


if __name__ == "__main__":
    main()
