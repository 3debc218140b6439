"""What a request is reckoned to take, and how limits are told."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_apps.gateway.accounts import duration, limit_headers, most_tokens, refused
from serve_apps.gateway.limits import Refusal, Standing, Standings

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


CHAT, TEXT, VECTORS = "chat/completions", "completions", "embeddings"


@pytest.mark.parametrize(
    ("route", "body", "tokens"),
    [
        (TEXT, {"prompt": "x" * 40}, 10 + 8 + 256),
        (TEXT, {"prompt": "丹炉" * 6, "max_tokens": 5}, 9 + 8 + 5),
        (
            CHAT,
            {"messages": [{"role": "user", "content": "x" * 36}], "max_completion_tokens": 7, "max_tokens": 99},
            10 + 8 + 7,
        ),
        (
            CHAT,
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "x" * 32}]}], "max_tokens": 1},
            10 + 8 + 1,
        ),
        (TEXT, {"prompt": "", "max_tokens": 10, "n": 3}, 3 * (8 + 10)),
        (TEXT, {"prompt": "", "max_tokens": "10", "n": 3.0}, 3 * (8 + 10)),
        (TEXT, {"prompt": ["x" * 8, "x" * 8], "max_tokens": 10, "n": 3}, 3 * (4 + 8 + 2 * 10)),
        (VECTORS, {"input": ["x" * 8, "x" * 8], "max_tokens": 100}, 4 + 8),
        (TEXT, {"prompt": "", "max_tokens": -4, "n": "many"}, 8 + 256),
        (TEXT, [], 0),
        (CHAT, None, 0),
    ],
)
def test_the_most_that_a_request_may_take(route: str, body: Any, tokens: int) -> None:
    assert most_tokens(route, body).all == tokens


@given(
    JSON, st.sampled_from([CHAT, TEXT, VECTORS]), st.sampled_from(["messages", "prompt", "input", "max_tokens", "n"])
)
def test_any_json_is_reckoned(value: Any, route: str, name: str) -> None:
    for body in ({name: value}, value):
        most = most_tokens(route, body)
        assert 0 <= most.prompt <= most.all


@given(
    st.integers(1, 5000),
    st.integers(1, 16),
    st.dictionaries(st.sampled_from(["input", "prompt", "messages", "max_completion_tokens", "functions"]), JSON),
)
def test_fields_that_a_route_does_not_read_make_no_request_cheaper(longest: int, n: int, more: dict[str, Any]) -> None:
    """An `input` beside the messages had the whole answer held as an embedding, which makes no tokens."""
    asked = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": longest, "n": n}
    beside = {key: value for key, value in more.items() if key not in ("messages", "max_completion_tokens")}
    assert most_tokens(CHAT, beside | asked).all >= n * longest
    asked = {"prompt": "hi", "max_tokens": longest, "n": n}
    assert most_tokens(TEXT, more | asked).all >= n * longest


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0ms"),
        (0.0161, "17ms"),
        (1, "1s"),
        (1.41, "1.5s"),
        (59.95, "1m0s"),
        (60, "1m0s"),
        (359.2, "6m0s"),
        (3600, "60m0s"),
    ],
)
def test_durations_are_written_as_openai_does(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@given(st.floats(0, 1e6))
def test_a_duration_is_never_too_short(seconds: float) -> None:
    text = duration(seconds)
    if text.endswith("ms"):
        told = int(text[:-2]) / 1000
    else:
        minutes, _, rest = text[:-1].rpartition("m")
        told = 60 * int(minutes or 0) + float(rest)
    assert seconds - 1e-9 <= told <= seconds + 1


def test_headers_stand_for_the_limits_that_there_are() -> None:
    standings = Standings(requests=Standing(60, 59, 1.0))
    assert limit_headers(standings) == {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "59",
        "x-ratelimit-reset-requests": "1s",
    }
    assert limit_headers(Standings()) == {}


def test_a_client_is_never_told_to_come_back_too_early() -> None:
    error = refused(Refusal("requests", 60, 1, 0, 0.2, Standings()), "alice")
    assert (error.status, error.headers["Retry-After"], error.code) == (429, "1", "rate_limit_exceeded")
