"""What a worker counts and hands out, step by step."""

from __future__ import annotations

import queue
from collections.abc import Sequence

from actors.engines.protocol import Delta, SamplingParams
from actors.engines.step_model import NewTokens, Score
from actors.engines.worker import Command, Event, Stop, Submit, Worker


class Guesser:
    """Says five tokens in one step, as with prompt lookup."""

    def __init__(self, commands: queue.SimpleQueue[Command]) -> None:
        self._commands = commands

    def load(self) -> None: ...

    def add(self, request_id: int, prompt_ids: Sequence[int], sampling: SamplingParams) -> None: ...

    def cancel(self, request_id: int) -> None: ...

    def step(self) -> list[NewTokens]:
        self._commands.put(Stop())
        return [NewTokens(1, [ord(letter) for letter in "abcde"], scores=[Score(-float(i)) for i in range(5)])]

    def running(self) -> int:
        return 1

    def kv_cache_use(self) -> float | None:
        return None

    def close(self) -> None: ...


def test_tokens_past_a_stop_string_are_neither_counted_nor_scored() -> None:
    commands: queue.SimpleQueue[Command] = queue.SimpleQueue()
    events: list[tuple[int, Event]] = []
    worker = Worker(
        Guesser(commands), lambda ids: "".join(map(chr, ids)), events.extend, lambda token: bytes([token]), commands
    )
    commands.put(Submit(1, [0], SamplingParams(stop=("c",), logprobs=0)))
    worker.run()
    assert worker.finished.result() is None
    ((_, last),) = events
    assert isinstance(last, Delta)
    assert (last.text, last.finish_reason, last.completion_tokens) == ("ab", "stop", 3)
    assert [entry.token for entry in last.logprobs] == [b"a", b"b", b"c"]
    assert worker.progress().completion_tokens == 3


class Reader(Guesser):
    """Reads a prompt for some steps before it says anything."""

    steps = 0

    def step(self) -> list[NewTokens]:
        self.steps += 1
        return super().step() if self.steps == 3 else []


def test_a_prompt_that_is_being_read_is_told_of_before_its_text() -> None:
    commands: queue.SimpleQueue[Command] = queue.SimpleQueue()
    told: list[tuple[int, int]] = []  # events, and sequences that run

    def send(events: list[tuple[int, Event]]) -> None:
        told.append((len(events), worker.progress().running))

    worker = Worker(Reader(commands), lambda ids: "".join(map(chr, ids)), send, lambda token: bytes([token]), commands)
    commands.put(Submit(1, [0], SamplingParams()))
    worker.run()
    assert worker.finished.result() is None
    assert told[0] == (0, 1)
    assert sum(events for events, _ in told) >= 1
