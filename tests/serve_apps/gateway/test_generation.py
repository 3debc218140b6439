"""A streamed answer says the same as a whole one, however the engine cuts it."""

from __future__ import annotations

import asyncio
import json
import pickle
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.engines.admission import ContextLengthError
from actors.engines.protocol import Completion, Delta, SamplingParams
from serve_apps.gateway.choices import Choice
from serve_apps.gateway.generation import AnswerStream, Ask, Question, answer_whole, derived_seed, merged
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

    return Question([Ask(complete, stream)], SamplingParams())


def streamed(pieces: list[str], kind: Any, include_usage: bool, meter: Meter) -> list[dict[str, Any]]:
    async def collect() -> list[str]:
        stream = await AnswerStream.begin(question(pieces), Answer(kind, "m"), [Choice(kind, 0)], meter)
        return [event async for event in stream.events(include_usage)]

    *events, done = asyncio.run(collect())
    assert done == "data: [DONE]\n\n"
    assert all(event.startswith("data: ") and event.endswith("\n\n") and event.count("\n") == 2 for event in events)
    return [json.loads(event[6:]) for event in events]


@given(PIECES, st.sampled_from(["chat", "text"]), st.booleans())
def test_stream_equals_whole(pieces: list[str], kind: Any, include_usage: bool) -> None:
    meter = Meter()
    chunks = streamed(pieces, kind, include_usage, meter)
    whole = asyncio.run(answer_whole(question(pieces), Answer(kind, "m"), [Choice(kind, 0)], meter))
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
        stream = await AnswerStream.begin(question(["a", "b", "c"]), Answer("text", "m"), [Choice("text", 0)], meter)
        events = stream.events(False)
        await anext(events)
        await anext(events)
        await events.aclose()

    asyncio.run(leave())
    assert meter.counted == [(3, 2)]


def several(lengths: list[int], choices: int, seeds: list[int | None]) -> Question:
    """Prompt i has the text of its number, `lengths[i]` times."""

    def ask(number: int) -> Ask:
        async def stream(sampling: SamplingParams) -> AsyncGenerator[Delta, None]:
            seeds.append(sampling.seed)
            for count in range(1, lengths[number] + 1):
                await asyncio.sleep(0)
                yield Delta(str(number), 10, count, "stop" if count == lengths[number] else None)

        async def complete(sampling: SamplingParams) -> Completion:
            seeds.append(sampling.seed)
            return Completion(str(number) * lengths[number], 10, lengths[number], "stop")

        return Ask(complete, stream)

    return Question([ask(number) for number in range(len(lengths))], SamplingParams(seed=5), choices)


def test_choices_of_several_prompts_have_their_places_and_a_prompt_counts_once() -> None:
    meter, seeds = Meter(), []

    async def both() -> tuple[dict[str, Any], list[str]]:
        question = several([2, 3], choices=2, seeds=seeds)
        choices = [Choice("text", index) for index in range(4)]
        whole = await answer_whole(question, Answer("text", "m"), choices, meter)
        stream = await AnswerStream.begin(question, Answer("text", "m"), choices, meter)
        return whole, [event async for event in stream.events(True)]

    whole, events = asyncio.run(both())
    assert [choice["index"] for choice in whole["choices"]] == [0, 1, 2, 3]
    assert [choice["text"] for choice in whole["choices"]] == ["00", "00", "111", "111"]
    assert whole["usage"] == {"prompt_tokens": 20, "completion_tokens": 10, "total_tokens": 30}
    chunks = [json.loads(event[6:]) for event in events[:-1]]
    assert chunks.pop()["usage"] == whole["usage"]
    texts = ["".join(c["text"] for chunk in chunks for c in chunk["choices"] if c["index"] == i) for i in range(4)]
    assert texts == ["00", "00", "111", "111"]
    assert meter.counted == [(20, 10), (20, 10)]
    assert len(set(seeds)) == 2 and seeds.count(5) == 4, "the first choice has the seed of the request"


def test_seeds_of_choices_differ_and_fit_engines() -> None:
    seeds = [derived_seed(7, choice) for choice in range(16)]
    assert len({seed for seed in seeds if seed is not None and 0 <= seed < 1 << 31}) == 16
    assert derived_seed(None, 3) is None


def test_an_error_of_one_choice_ends_the_others() -> None:
    closed: list[int] = []

    async def stream(number: int) -> AsyncGenerator[Delta, None]:
        try:
            while True:
                await asyncio.sleep(0)
                if number == 1:
                    raise ValueError("broken")
                yield Delta("x", 1, 1)
        finally:
            closed.append(number)

    async def read() -> None:
        async for _ in merged([stream(number) for number in range(3)]):
            pass

    with pytest.raises(ValueError, match="broken"):
        asyncio.run(read())
    assert sorted(closed) == [0, 1, 2]


def test_leaving_several_choices_closes_them_all() -> None:
    closed: list[int] = []

    async def stream(number: int) -> AsyncGenerator[Delta, None]:
        try:
            while True:
                await asyncio.sleep(0)
                yield Delta("x", 1, 1)
        finally:
            closed.append(number)

    async def leave() -> None:
        pieces = merged([stream(number) for number in range(3)])
        await anext(pieces)
        await pieces.aclose()

    asyncio.run(leave())
    assert sorted(closed) == [0, 1, 2]


@pytest.mark.parametrize("whole", [True, False])
def test_a_caller_that_is_cancelled_while_its_choices_end_is_cancelled(whole: bool) -> None:
    """It went on as if nobody had asked it to end, and met the error of a choice in place of its own end."""
    ended: list[int] = []

    async def leave() -> None:
        ending, go_on = asyncio.Event(), asyncio.Event()

        async def slow_to_end() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                ending.set()
                await go_on.wait()
                ended.append(1)

        async def complete(sampling: SamplingParams) -> Completion:
            if sampling.seed == 5:
                await asyncio.sleep(0.01)
                raise ValueError("broken")
            await slow_to_end()
            raise AssertionError("it never ends by itself")

        async def stream(sampling: SamplingParams) -> AsyncGenerator[Delta, None]:
            await complete(sampling)
            yield Delta("", 0, 0)

        asked = Question([Ask(complete, stream)], SamplingParams(seed=5), choices=3)
        answer, choices = Answer("text", "m"), [Choice("text", index) for index in range(3)]
        ask = answer_whole if whole else AnswerStream.begin
        caller = asyncio.create_task(ask(asked, answer, choices, Meter()))  # type: ignore[operator]
        await ending.wait()
        caller.cancel()
        await asyncio.sleep(0.01)
        assert not caller.done(), "it waits for its choices all the same"
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await caller
        assert len(ended) == 2

    asyncio.run(leave())


def test_a_default_length_that_does_not_fit_is_asked_for_once_more() -> None:
    """It was halved until it fitted, which sent, rendered and tokenized a long prompt nine times."""
    asked: list[int] = []

    async def complete(sampling: SamplingParams) -> Completion:
        asked.append(sampling.max_tokens)
        if sampling.max_tokens > 7:
            raise ContextLengthError("max_tokens", room=7)
        return Completion("x", 3, 1, "stop")

    def whole(ask: Any, **more: Any) -> Any:
        query = Question([Ask(ask, None)], SamplingParams(), **more)  # type: ignore[arg-type]
        return asyncio.run(answer_whole(query, Answer("text", "m"), [Choice("text", 0)], Meter()))

    assert whole(complete, fixed_length=False)["choices"][0]["text"] == "x"
    assert asked == [256, 7]
    with pytest.raises(ContextLengthError):
        whole(complete, fixed_length=True)
    assert asked == [256, 7, 256]

    async def never(sampling: SamplingParams) -> Completion:
        asked.append(sampling.max_tokens)
        raise ContextLengthError("the prompt", room=0)

    with pytest.raises(ContextLengthError):
        whole(never, fixed_length=False)
    assert asked == [256, 7, 256, 256]


def test_the_room_that_is_left_crosses_processes() -> None:
    error = pickle.loads(pickle.dumps(ContextLengthError("what", rule="rule", fix="fix", room=3)))
    assert (str(error), error.room) == ("what: rule\nFix: fix", 3)
