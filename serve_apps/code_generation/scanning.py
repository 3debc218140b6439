"""Where calls and literals in a text end: brackets and quotes are counted once, and nothing is parsed on trial."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from actors.sandbox import parse_literal
from serve_apps.code_generation.plain import MOST_CHARACTERS, check_plain

MOST_CALLS = 64
_MOST_LITERAL = 2000
_BRACKETS = {"(": ")", "[": "]", "{": "}"}
_QUOTE = re.compile(r"'''|\"\"\"|'|\"")
_STRING = re.compile(rf"[bBrRuU]{{0,2}}(?P<quote>{_QUOTE.pattern})")
_COLLECTION = re.compile(r"(?:frozenset|set)?(?=\()|(?=[\[{])")
# A date, a time or a fraction is none: a number is not followed by more of the kind.
_SCALAR = re.compile(
    r"(?:[-+]?(?:0[xX][0-9a-fA-F]++|(?:[0-9][0-9_]*+(?:\.[0-9]++)?|\.[0-9]++)(?:[eE][-+]?[0-9]++)?|inf)"
    r"|True|False|None|nan)(?![-:/.]?[A-Za-z0-9_])"
)
_COMMA = re.compile(r"\s*,\s*")


def calls(text: str, function: str | None) -> Iterator[tuple[int, int]]:
    """(start, end) of the first 64 things that look like `name(...)`, of one function or of any."""
    name = r"[A-Za-z_][A-Za-z0-9_]*+" if function is None else re.escape(function)
    # Chinese is written without spaces: 例如add(1) is a call of add.
    starts = re.finditer(rf"(?<![A-Za-z0-9_.])(?<!def ){name}\(", text)
    for _, match in zip(range(MOST_CALLS), starts, strict=False):
        end = closing(text, match.end() - 1)
        if end is not None:
            yield match.start(), end


def closing(text: str, start: int) -> int | None:
    """The place after the bracket that closes the one at `start`; brackets inside quotes do not count.

    None when it does not close, closes with another kind, or is too long.
    """
    expected: list[str] = []
    place, last = start, min(len(text), start + MOST_CHARACTERS)
    while place < last:
        character = text[place]
        if character in _BRACKETS:
            expected.append(_BRACKETS[character])
        elif character in ")]}":
            if expected.pop() != character:
                return None
            if not expected:
                return place + 1
        elif string := _QUOTE.match(text, place):
            end = _quoted(text, place, string[0])
            if end is None:
                return None
            place = end - 1
        place += 1
    return None


def leading_literal(text: str) -> Any:
    """The value of the literal that the text begins with.

    Raises:
        ValueError: it begins with none.
    """
    text = text.strip()[:_MOST_LITERAL]
    end = _item(text, 0)
    while end is not None and (comma := _COMMA.match(text, end)) and (after := _item(text, comma.end())):
        end = after  # `1, 2` is a tuple
    if end is None:
        raise ValueError("it begins with no literal")
    value = parse_literal(text[:end])
    check_plain(value)
    return value


def _item(text: str, start: int) -> int | None:
    """The place after the literal at `start`, commas outside of brackets not taken."""
    if string := _STRING.match(text, start):
        return _quoted(text, string.start("quote"), string["quote"])
    if collection := _COLLECTION.match(text, start):
        return closing(text, collection.end())
    scalar = _SCALAR.match(text, start)
    return scalar.end() if scalar else None


def _quoted(text: str, start: int, quote: str) -> int | None:
    """The place after the quotation at `start`; a backslash takes the next character with it."""
    place = start + len(quote)
    while place < len(text):
        if text[place] == "\\":
            place += 1
        elif text.startswith(quote, place):
            return place + len(quote)
        place += 1
    return None
