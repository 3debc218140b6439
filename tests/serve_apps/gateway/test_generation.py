"""A streamed answer says the same as a whole one, however the engine cuts it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from actors.engines.protocol import Completion, Delta, SamplingParams
from serve_apps.gateway.generation import AnswerStream, Question, answer_whole
from serve_apps.gateway.responses import Answer

PIECES = st.lists(st.text(max_size=5), min_size=1, max_size=8)


class Meter:
    def __init__(self) -> None:
        self.counted: list[tuple[int, int]] = []
        self.first = 0

    def first_token(self, model: str, seconds: float) -> None:
        self.first += 1

    def tokens(self, model: str, prompt: int, completion: int) -> None:
        self.counted.append((prompt, completion))


def question(pieces: list[str]) -> Question:
    async def stream(_: SamplingParams) -> AsyncGenerator[Delta, None]:
        for count, piece in enumerate(pieces, start=1):
            yield Delta(piece, 3, count, "stop" if count == len(pieces) else None)

    async def complete(_: SamplingParams) -> Completion:
        return Completion("".join(pieces), 3, len(pieces), "stop")

    return Question(complete, stream, SamplingParams(), fixed_length=True)


def streamed(pieces: list[str], kind: Any, include_usage: bool, meter: Meter) -> list[dict[str, Any]]:
    async def collect() -> list[str]:
        stream = await AnswerStream.begin(question(pieces), Answer(kind, "m"), meter)
        return [event async for event in stream.events(include_usage)]

    *events, done = asyncio.run(collect())
    assert done == "data: [DONE]\n\n"
    assert all(event.startswith("data: ") and event.endswith("\n\n") and event.count("\n") == 2 for event in events)
    return [json.loads(event[6:]) for event in events]


@given(PIECES, st.sampled_from(["chat", "text"]), st.booleans())
def test_stream_equals_whole(pieces: list[str], kind: Any, include_usage: bool) -> None:
    meter = Meter()
    chunks = streamed(pieces, kind, include_usage, meter)
    whole = asyncio.run(answer_whole(question(pieces), Answer(kind, "m"), meter))
    if include_usage:
        last = chunks.pop()
        assert last["choices"] == [] and last["usage"] == whole["usage"]
        assert all(chunk["usage"] is None for chunk in chunks)
    choices = [chunk["choices"][0] for chunk in chunks]
    text = "".join(c["delta"].get("content", "") if kind == "chat" else c["text"] for c in choices)
    message = whole["choices"][0]
    assert text == (message["message"]["content"] if kind == "chat" else message["text"])
    assert [c["finish_reason"] for c in choices] == [None] * (len(choices) - 1) + ["stop"]
    assert meter.counted == [(3, len(pieces))] * 2 and meter.first == 1


def test_leaving_early_counts_what_was_made() -> None:
    meter = Meter()

    async def leave() -> None:
        stream = await AnswerStream.begin(question(["a", "b", "c"]), Answer("text", "m"), meter)
        events = stream.events(False)
        await anext(events)
        await anext(events)
        await events.aclose()

    asyncio.run(leave())
    assert meter.counted == [(3, 2)]
