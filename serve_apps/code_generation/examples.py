"""Examples of a requirement: a call and the value that is expected, given as text or found in the requirement."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from actors.sandbox import Call, equal, literal_value, parse_literal
from serve_apps.code_generation.plain import MOST_CHARACTERS, check_plain
from serve_apps.code_generation.scanning import MOST_CALLS, calls, leading_literal

_CONNECTOR = re.compile(
    r"\s*+(?:==|=>|->|→|=|应?返回|结果[为是]|输出|得到|为|returns?|should return|gives?|is)\s*+(?:[:：]\s*+)?"
)
_INPUT_OR_OUTPUT = re.compile(r"(?:(?P<input>输入|[Ii]nput)|输出|[Oo]utput)\s*+[:：]")


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
        ValueError: it is no such call, or its values are out of bounds.
    """
    try:
        node = ast.parse(_short(text).strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise ValueError("it is no Python call such as `f([1, 2], 3)`") from None
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        raise ValueError("it must be one call of one function, such as `f([1, 2], 3)`")
    if any(isinstance(argument, ast.Starred) for argument in node.args) or any(k.arg is None for k in node.keywords):
        raise ValueError("starred arguments are not supported")
    try:
        args = tuple(literal_value(argument) for argument in node.args)
        kwargs = {str(k.arg): literal_value(k.value) for k in node.keywords}
    except ValueError:
        raise ValueError("an argument is no Python literal such as `[1, 2]` or `'a'`") from None
    if len(kwargs) < len(node.keywords):
        raise ValueError("a keyword stands twice")
    check_plain([*args, *kwargs.values()])
    return node.func.id, Call(args, kwargs)


def parse_expected(expected: Any) -> Any:
    """An expected value: text is a Python literal (a string is written with its quotes), other JSON is itself.

    Raises:
        ValueError: the text can't be read, or the value is out of bounds.
    """
    check_plain(value := _literal(_short(expected)) if isinstance(expected, str) else expected)
    return value


def _literal(text: str) -> Any:
    try:
        return parse_literal(text)
    except ValueError as error:
        advice = "text is read as a Python literal, so write a string with its quotes"
        raise ValueError(f"{error}: {advice}") from None


def parse_example(call: str, expected: Any) -> Example:
    """An example, of what `parse_call` and `parse_expected` read; they say what is wrong with it."""
    function, arguments = parse_call(call)
    return Example(function, arguments, parse_expected(expected))


def find_examples(text: str, function: str | None) -> list[Example]:
    """Examples that a requirement's text contains: doctests, `f(1) returns 2`, `f(1) == 2`, or 输入：n = 1 输出：2.

    Args:
        function: the wanted function; when it is not known, the first one that an example calls. Calls of others
            are no examples.
    """
    found: list[Example] = []
    for start, end in calls(text, function):
        try:
            name, arguments = parse_call(text[start:end])
            expected = leading_literal(_after_connector(_following(text, start, end)))
        except ValueError:
            continue
        if name == (found[0].function if found else function or name):
            found.append(Example(name, arguments, expected))
    if not found and function is not None:
        found.extend(_from_input_output(text, function))
    return found


def _short(text: str) -> str:
    if len(text) > MOST_CHARACTERS:
        raise ValueError(f"it has {len(text)} characters, and may have {MOST_CHARACTERS}")
    return text


def _following(text: str, start: int, end: int) -> str:
    """What stands behind a call on its line; behind a doctest that fills its line, what stands on the next one."""
    line, _, rest = text[end : end + MOST_CHARACTERS].partition("\n")
    doctest = not line.strip() and text[:start].rstrip(" ").endswith(">>>")
    return rest.partition("\n")[0] if doctest else line


def _after_connector(rest: str) -> str:
    match = _CONNECTOR.match(rest)
    return rest[match.end() :] if match else (rest if rest[:1] not in ("", " ") else rest.lstrip())


def _from_input_output(text: str, function: str) -> Iterator[Example]:
    """Examples written as `输入：a = 1, b = [2]` and `输出：3`."""
    marks = list(itertools.islice(_INPUT_OR_OUTPUT.finditer(text), 2 * MOST_CALLS))
    for given, wanted in itertools.pairwise(marks):
        if not given["input"] or wanted["input"]:
            continue
        arguments = " ".join(text[given.end() : wanted.start()].split()).replace("，", ",").rstrip(",;； ")
        try:
            _, call = parse_call(f"{function}({arguments})")
            expected = leading_literal(text[wanted.end() :].strip(" ").partition("\n")[0])
        except ValueError:
            continue
        yield Example(function, call, expected)
