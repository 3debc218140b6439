"""Constants that a requirement mentions: numbers, quoted texts, and characters called by their names."""

from __future__ import annotations

import re
from typing import Any

MOST_CONSTANTS = 8
_MOST_DIGITS = 40  # a longer one is data, and nothing that code compares with
# Chinese is written without spaces: 大于100的数. What is called (`log2(`) is a name.
_NUMBER = re.compile(r"(?<![A-Za-z0-9_.])-?[0-9]++(?:\.[0-9]++)?(?![A-Za-z0-9_.]*\()")
_FULL_WIDTH = str.maketrans("０１２３４５６７８９．－", "0123456789.-")
_QUOTED = re.compile(
    r"\"([^\"\n]{0,40})\"|'([^'\n]{0,40})'|“([^”\n]{0,40})”|‘([^’\n]{0,40})’|「([^」\n]{0,40})」|`([^`\n]{1,40})`"
)
_NUMBER_WORDS = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10}
_NUMBER_WORDS |= {"second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "hundred": 100}
_CHINESE_NUMBERS = {character: number for number, character in enumerate("零一二三四五六七八九十")} | {"两": 2}
_CHINESE_NUMBER = re.compile(r"[第前后每]?([二三四五六七八九十两])(?=[个位次大小倍级步项进元类段年月天])")
_CHARACTERS = {
    r"\bcommas?\b|逗号": ",",
    r"\bsemi-?colons?\b|分号": ";",
    r"(?<!-)\bcolons?\b|冒号": ":",
    r"\bunderscores?\b|下划线": "_",
    r"\b(?:hyphens?|dash(?:es)?)\b|连字符|横线": "-",
    r"\b(?:asterisks?|stars?)\b|星号": "*",
    r"\bequals? signs?\b|等号": "=",
    r"\b(?:dots?|periods?)\b|句点|点号": ".",
    r"\bslash(?:es)?\b|斜杠": "/",
    r"\b(?:vertical bars?|pipes?)\b|竖线": "|",
    r"\b(?:newlines?|line breaks?)\b|换行": "\n",
    r"\btabs?\b|制表符": "\t",
    r"\bhash signs?\b|井号": "#",
}


def find_constants(prose: str) -> tuple[Any, ...]:
    """Numbers (also as words), quoted texts and named characters, in order, without repetition."""
    found: list[tuple[int, Any]] = []
    for match in _QUOTED.finditer(prose):
        found.append((match.start(), next(group for group in match.groups() if group is not None)))
    numbers = _NUMBER.finditer(prose.translate(_FULL_WIDTH))
    found += [(match.start(), _value(match[0])) for match in numbers if len(match[0]) <= _MOST_DIGITS]
    for match in re.finditer(r"[A-Za-z]+", prose):
        if match[0].lower() in _NUMBER_WORDS:
            found.append((match.start(), _NUMBER_WORDS[match[0].lower()]))
    found += [(match.start(), _CHINESE_NUMBERS[match[1]]) for match in _CHINESE_NUMBER.finditer(prose)]
    for names, character in _CHARACTERS.items():
        found += [(match.start(), character) for match in re.finditer(names, prose, re.IGNORECASE)]
    ordered = [value for _, value in sorted(found, key=lambda pair: pair[0])]
    return tuple({(type(value), value): value for value in ordered}.values())[:MOST_CONSTANTS]


def _value(number: str) -> int | float:
    return float(number) if "." in number else int(number)
