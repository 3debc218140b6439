"""Calls of tools in an answer, however it is cut."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu.errors import InputError
from serve_apps.gateway.forms import call_form
from serve_apps.gateway.grammar.schema import parse_schema
from serve_apps.gateway.tool_calls import CallReader, Piece, ToolCall

CALL = '<tool_call>\n{"name": "add", "arguments": {"a": 1, "b": "云"}}\n</tool_call>'
STRICT = parse_schema({"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]})


def read(text: str, cuts: list[int] | None = None, strict: bool = False) -> list[Piece]:
    reader = CallReader({"add": STRICT if strict else None, "sub": None})
    places = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts or [])})
    pieces = [p for low, high in pairwise(places) for p in reader.push(text[low:high])]
    return [*pieces, *reader.finish()]


def joined(pieces: list[Piece]) -> tuple[str, list[tuple[str, object]]]:
    text = "".join(piece for piece in pieces if isinstance(piece, str))
    return text, [(p.name, json.loads(p.arguments)) for p in pieces if isinstance(p, ToolCall)]


ADD = ("add", {"a": 1, "b": "云"})


@pytest.mark.parametrize(
    ("text", "shown", "calls"),
    [
        (CALL, "", [ADD]),
        (f"先算一下。\n\n{CALL}", "先算一下。", [ADD]),
        (f"{CALL}\n{CALL}", "", [ADD, ADD]),
        (CALL.removesuffix("</tool_call>"), "", [ADD]),
        ("no call  \n", "no call  \n", []),
        ("a < b <tool", "a < b <tool", []),
        ("<tool_call>{broken</tool_call>", "<tool_call>{broken</tool_call>", []),
        (
            '<tool_call>{"name": "rm", "arguments": {}}</tool_call>',
            '<tool_call>{"name": "rm", "arguments": {}}</tool_call>',
            [],
        ),
        ('<tool_call>{"name": "sub"}</tool_call>', "", [("sub", {})]),
        (
            '<tool_call>{"name": "sub", "arguments": 3}</tool_call>',
            '<tool_call>{"name": "sub", "arguments": 3}</tool_call>',
            [],
        ),
        ("<tool_call>" + "[" * 5000, "<tool_call>" + "[" * 5000, []),
    ],
)
def test_calls_are_told_from_text(text: str, shown: str, calls: list[object]) -> None:
    assert joined(read(text)) == (shown, calls)


@given(
    st.sampled_from([CALL, f"vor\n{CALL}\n{CALL} nach", "a<tool_cal b", f"<tool_call>{{{CALL}", "  x  "]),
    st.lists(st.integers(0, 300), max_size=12),
)
def test_the_cuts_do_not_matter(text: str, cuts: list[int]) -> None:
    assert joined(read(text, cuts)) == joined(read(text))


def test_text_is_not_held_back_longer_than_it_has_to_be() -> None:
    reader = CallReader({"add": None})
    assert list(reader.push("abc <tool")) == ["abc"]
    assert list(reader.push("s>")) == [" <tools>"]


def test_arguments_of_a_strict_tool_are_checked() -> None:
    good = '<tool_call>{"name": "add", "arguments": {"a": 1}}</tool_call>'
    bad = good.replace("1", '"one"')
    assert joined(read(good, strict=True)) == ("", [("add", {"a": 1})])
    assert joined(read(bad, strict=True)) == (bad, [])


def test_many_large_tools_make_no_grammar() -> None:
    properties = {f"property_{i}": {"type": "string"} for i in range(200)}
    tools = [
        {"type": "function", "function": {"name": f"f{i}", "parameters": {"type": "object", "properties": properties}}}
        for i in range(20)
    ]
    with pytest.raises(InputError, match="at most 250000"):
        call_form(tools)


def test_the_form_of_a_forced_call() -> None:
    tool = {
        "type": "function",
        "function": {"name": "add", "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}}},
    }
    form = call_form([tool])
    assert form.holds('<tool_call>\n{"name": "add", "arguments": {"a": 3}}\n</tool_call>')
    assert not form.holds('<tool_call>\n{"name": "add", "arguments": {"a": "x"}}\n</tool_call>')
    assert not form.holds('<tool_call>\n{"name": "sub", "arguments": {"a": 3}}\n</tool_call>')
