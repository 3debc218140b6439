"""Examples given as text, and those found inside a requirement."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.sandbox import Call
from serve_apps.code_generation.examples import call_text, find_examples, parse_call, parse_example

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(plain, max_size=3), st.dictionaries(st.sampled_from(["a", "b"]), plain))
def test_calls_survive_as_text(args: list[object], kwargs: dict[str, object]) -> None:
    call = Call(tuple(args), kwargs)
    assert parse_call(call_text("f", call)) == ("f", call)


@pytest.mark.parametrize(
    "text",
    ["", "f", "f(x)", "f(1", "a.f(1)", "f(*[1])", "f(**{})", "f(g(1))", "f(1) + 1", "import os", "f(__import__('os'))"],
)
def test_what_is_no_call_with_literals(text: str) -> None:
    with pytest.raises(ValueError):
        parse_call(text)


def test_expected_values_are_literals_as_text_or_plain_json() -> None:
    assert parse_example("f(1)", "[1, 2]").expected == [1, 2]
    assert parse_example("f(1)", "'a'").expected == "a"
    assert parse_example("f(1)", {"a": 1}).expected == {"a": 1}
    assert parse_example("f(1)", None).expected is None
    with pytest.raises(ValueError, match="no Python literal"):
        parse_example("f(1)", "abc")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("例如 f([1, 2]) 返回 3。", ["f([1, 2]) == 3"]),
        ("f(1) == 2, f(2) => 3", ["f(1) == 2", "f(2) == 3"]),
        (">>> f('a)')\n'b'\n>>> f('c')\n'd'", ["f('a)') == 'b'", "f('c') == 'd'"]),
        ("f(1) returns [1, (2, 3)] and so on", ["f(1) == [1, (2, 3)]"]),
        ("f(x) 返回 x 的平方", []),
        ("g(1) = 2", []),
        ("no example at all (really)", []),
        ("输入：n = 3, k = [1]\n输出：5\n解释：因为", ["f(n=3, k=[1]) == 5"]),
        ("Input: s = 'ab'\nOutput: 'ba'", ["f(s='ab') == 'ba'"]),
        ("输入：一个整数。输入：n=3，输出：5。输入：n=4；输出：7", ["f(n=3) == 5", "f(n=4) == 7"]),
        ("输入：n=3 输出：\n5", []),
        ("例如f(1)返回2", ["f(1) == 2"]),
        ("f(1) returns None. f(2): 3.", ["f(1) == None"]),
        (">>> f(1)\nNone", ["f(1) == None"]),
        (">>> f(1) == 'a'\n>>> f(2) == 'b'\n", ["f(1) == 'a'", "f(2) == 'b'"]),
        ("f(1) == 10:30", []),
    ],
)
def test_examples_are_found_in_the_text(text: str, found: list[str]) -> None:
    assert [str(example) for example in find_examples(text, "f")] == found


def test_without_a_known_function_any_call_is_an_example() -> None:
    assert [str(example) for example in find_examples("add(1, 2) → 3", None)] == ["add(1, 2) == 3"]


def test_without_a_known_function_the_first_that_is_called_counts() -> None:
    text = "add(1, 2) 返回 3，sub(3, 1) 返回 2，add(0, 0) 返回 0"
    assert [str(example) for example in find_examples(text, None)] == ["add(1, 2) == 3", "add(0, 0) == 0"]
