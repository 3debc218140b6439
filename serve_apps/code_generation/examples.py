"""Examples of a requirement: a call and the value that is expected, given as text or found in the requirement."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from actors.sandbox import Call, equal, parse_literal

_CONNECTOR = re.compile(
    r"\s*(?:==|=>|->|→|=|应?返回|结果[为是]|输出|得到|为|returns?|should return|gives?|is)\s*[:：]?\s*"
)
_INPUT_OUTPUT = re.compile(
    r"(?:输入|[Ii]nput)\s*[:：]\s*(?P<input>.+?)\s*[,，;；\n]?\s*"
    r"(?:输出|[Oo]utput)\s*[:：]\s*(?P<output>[^\n]+)",
    re.DOTALL,
)


@dataclass(frozen=True)
class Example:
    """One call with plain values and what it must give."""

    function: str
    call: Call
    expected: Any

    def holds(self, value: Any) -> bool:
        """Whether a returned value is the expected one."""
        return equal(value, self.expected)

    def __str__(self) -> str:
        return f"{call_text(self.function, self.call)} == {self.expected!r}"


def call_text(function: str, call: Call) -> str:
    """The call as Python writes it."""
    arguments = [repr(value) for value in call.args] + [f"{name}={value!r}" for name, value in call.kwargs.items()]
    return f"{function}({', '.join(arguments)})"


def parse_call(text: str) -> tuple[str, Call]:
    """(function name, arguments) of a call with literal arguments, such as `f([1, 2], k=3)`.

    Raises:
        ValueError: it is no such call.
    """
    try:
        node = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise ValueError("it is no Python call such as `f([1, 2], 3)`") from None
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        raise ValueError("it must be one call of one function, such as `f([1, 2], 3)`")
    if any(isinstance(argument, ast.Starred) for argument in node.args) or any(k.arg is None for k in node.keywords):
        raise ValueError("starred arguments are not supported")
    args = tuple(parse_literal(ast.unparse(argument)) for argument in node.args)
    kwargs = {str(k.arg): parse_literal(ast.unparse(k.value)) for k in node.keywords}
    return node.func.id, Call(args, kwargs)


def parse_example(call: str, expected: Any) -> Example:
    """An example; text in `expected` is a Python literal (a string is written with its quotes), other JSON is itself.

    Raises:
        ValueError: the call or the expected text can't be read.
    """
    function, arguments = parse_call(call)
    return Example(function, arguments, parse_literal(expected) if isinstance(expected, str) else expected)


def find_examples(text: str, function: str | None) -> list[Example]:
    """Examples that a requirement's text contains: doctests, `f(1) returns 2`, `f(1) == 2`, or 输入：n = 1 输出：2.

    Args:
        function: the wanted function, if known; calls of others are no examples.
    """
    found: list[Example] = []
    for call, rest in _calls(text):
        try:
            name, arguments = parse_call(call)
        except ValueError:
            continue
        expected = _leading_literal(_after_connector(rest))
        if expected is not None and name == (function or name):
            found.append(Example(name, arguments, parse_literal(expected)))
    if not found and function is not None:
        found.extend(_from_input_output(text, function))
    return found


def _calls(text: str) -> Iterator[tuple[str, str]]:
    """(call, what follows it on this and the next line) for each `name(...)` of the text."""
    for match in re.finditer(r"(?<![\w.])(?<!def )[A-Za-z_]\w*\(", text):
        end = _closing(text, match.end() - 1)
        if end is not None:
            following = text[end:].split("\n", 2)
            doctest = text[: match.start()].rstrip(" ").endswith(">>>")
            yield text[match.start() : end], following[1] if doctest and len(following) > 1 else following[0]


def _closing(text: str, start: int) -> int | None:
    """The place after the bracket that closes the one at `start`; brackets inside quotes do not count."""
    depth, quote = 0, ""
    for place in range(start, len(text)):
        character = text[place]
        if quote:
            quote = "" if character == quote and text[place - 1] != "\\" else quote
        elif character in "\"'":
            quote = character
        elif character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
            if depth == 0:
                return place + 1
    return None


def _after_connector(rest: str) -> str:
    match = _CONNECTOR.match(rest)
    return rest[match.end() :] if match else (rest if rest[:1] not in ("", " ") else rest.lstrip())


def _leading_literal(text: str) -> str | None:
    """The longest literal that the text begins with."""
    text = text.strip()
    for end in range(min(len(text), 2000), 0, -1):
        if text[end - 1] in ", ":  # a comma after a value would make it a tuple
            continue
        try:
            parse_literal(text[:end])
        except ValueError:
            continue
        return text[:end]
    return None


def _from_input_output(text: str, function: str) -> Iterator[Example]:
    """Examples written as `输入：a = 1, b = [2]` and `输出：3`."""
    for match in _INPUT_OUTPUT.finditer(text):
        expected = _leading_literal(match["output"].strip().rstrip("。."))
        try:
            _, call = parse_call(f"{function}({' '.join(match['input'].split()).replace('，', ',')})")
        except ValueError:
            continue
        if expected is not None:
            yield Example(function, call, parse_literal(expected))
