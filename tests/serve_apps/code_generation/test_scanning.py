"""Calls and literals at the beginning of a text are found without parsing on trial."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.sandbox import equal
from serve_apps.code_generation.scanning import MOST_CALLS, calls, closing, leading_literal

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(), inner, max_size=3)
        | st.sets(st.integers(), max_size=3)
        | st.frozensets(st.text(), max_size=3)
    ),
    max_leaves=8,
)


@given(values, st.sampled_from(["", "。", " and so on", "，其余不变", ", f(2)", "\n", "；", ")", " (see above)"]))
def test_every_literal_is_read_whatever_follows(value: Any, after: str) -> None:
    assert equal(leading_literal(f" {value!r}{after}"), value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1, 2", (1, 2)),
        ("1, 2, x", (1, 2)),
        ("5.", 5),
        ("5. Next", 5),
        ("5个", 5),
        (".5", 0.5),
        ("-1e3 is", -1000.0),
        ("0xfF", 255),
        ("r'\\d' x", "\\d"),
        ("'''a'b''' c", "a'b"),
        (r"'a\\' 'b'", "a\\"),
        ("set()", set()),
        ("True的", True),
        ("-inf", float("-inf")),
    ],
)
def test_where_a_literal_ends(text: str, value: Any) -> None:
    found = leading_literal(text)
    assert equal(found, value) and type(found) is type(value)


@pytest.mark.parametrize(
    "text",
    ["", "x", "[1, x]", "[1", "(1]", "'a", "Trueish", "2024-01-02", "10:30", "1/2", "5th", "007", "...", "f(1)", "９"],
)
def test_what_begins_with_no_literal(text: str) -> None:
    with pytest.raises(ValueError):
        leading_literal(text)


@given(st.text(alphabet="()[]{}'\"\\,1a", max_size=60))
def test_any_text_has_a_closing_or_none(text: str) -> None:
    end = closing(f"({text}", 0)
    assert end is None or text[end - 2] == ")"


@pytest.mark.parametrize(
    ("text", "function", "found"),
    [
        ("例如add(1, 2)返回3", None, ["add(1, 2)"]),
        ("f(')', \"(\", '\\'')", None, ["f(')', \"(\", '\\'')"]),
        ("f(1 f(2)", "f", ["f(2)"]),
        ("ff(1) g(2) x.f(3) def f(4) f(5)", "f", ["f(5)"]),
        ("求和(1)", "求和", ["求和(1)"]),
    ],
)
def test_calls_of_a_text(text: str, function: str | None, found: list[str]) -> None:
    assert [text[start:end] for start, end in calls(text, function)] == found


def test_only_so_many_calls_are_looked_at() -> None:
    assert len(list(calls("f(1) " * 200, "f"))) == MOST_CALLS
    assert len(list(calls("g(1) " * 200 + "f(1)", "f"))) == 1
