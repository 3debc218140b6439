"""One choice in OpenAI's shape, whole and in pieces."""

from __future__ import annotations

from typing import Any

import pytest

from actors.engines.protocol import Completion, Delta, TokenLogprob
from serve_apps.gateway.choices import CallRules, Choice
from serve_apps.gateway.errors import ApiError
from serve_apps.gateway.forms import response_form

CALL = '<tool_call>{"name": "add", "arguments": {"a": 3}}</tool_call>'


def whole(text: str, reason: Any = "stop", **more: Any) -> dict[str, Any]:
    return Choice("chat", 0, **more).whole(Completion(text, 1, 1, reason))


@pytest.mark.parametrize(("one", "count"), [(True, 1), (False, 3)])
def test_parallel_calls_can_be_turned_off(one: bool, count: int) -> None:
    choice = whole(CALL * 3, calls=CallRules({"add": None}, one=one))
    assert len(choice["message"]["tool_calls"]) == count
    assert choice["finish_reason"] == "tool_calls"
    stream = Choice("chat", 0, calls=CallRules({"add": None}, one=one))
    pieces = [*stream.pieces(Delta(CALL * 2, 1, 1)), *stream.pieces(Delta(CALL, 1, 2, "stop"))]
    calls = [call for piece in pieces for call in piece["delta"].get("tool_calls", [])]
    assert [call["index"] for call in calls] == list(range(count))
    assert [piece["finish_reason"] for piece in pieces][-1] == "tool_calls"


def test_an_answer_that_was_cut_keeps_its_reason() -> None:
    assert whole(CALL, "length", calls=CallRules({"add": None}))["finish_reason"] == "length"


def test_the_form_is_checked_where_the_answer_ended_by_itself() -> None:
    form = response_form({"type": "json_object"})
    assert whole('{"a": 1}', form=form)["message"]["content"] == '{"a": 1}'
    assert whole('{"a": ', "length", form=form)["finish_reason"] == "length"
    with pytest.raises(ApiError) as caught:
        whole('{"a": ', form=form)
    assert (caught.value.status, caught.value.code) == (500, "invalid_output")
    stream = Choice("chat", 0, form=form)
    list(stream.pieces(Delta('{"a"', 1, 1)))
    with pytest.raises(ApiError):
        list(stream.pieces(Delta(": ", 1, 2, "stop")))


def test_log_probabilities_in_columns_know_where_tokens_begin() -> None:
    """The second and third token are one character."""
    told = (
        TokenLogprob(b"a", -0.5, ((b"a", -0.5), (b"b", -1.5))),
        *(TokenLogprob(part, -1.0) for part in (b"\xe4\xba", b"\x91")),
        TokenLogprob(b"c", -2.0),
    )
    stream = Choice("text", 0)
    (first,) = stream.pieces(Delta("a", 1, 2, None, told[:2]))
    (last,) = stream.pieces(Delta("云c", 1, 4, "stop", told[2:]))
    assert first["logprobs"]["text_offset"] == [0, 1]
    assert last["logprobs"]["text_offset"] == [1, 2]
    assert first["logprobs"]["token_logprobs"] == [-0.5, -1.0]
    assert first["logprobs"]["top_logprobs"] == [{"a": -0.5, "b": -1.5}, {}]


def test_log_probabilities_of_a_chat_hold_bytes() -> None:
    choice = Choice("chat", 0).whole(Completion("云", 1, 1, "stop", (TokenLogprob(b"\xe4\xba", -1.0),)))
    assert choice["logprobs"]["content"] == [
        {"token": "\ufffd", "logprob": -1.0, "bytes": [0xE4, 0xBA], "top_logprobs": []}
    ]
