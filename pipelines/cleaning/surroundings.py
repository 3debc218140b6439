"""What stands beside a number in a text, which decides whether it is one or a part of something longer. Pure.

All functions take a text that is folded to ASCII width.
"""

from __future__ import annotations

import re

_LABEL = re.compile(
    r"(?<![A-Za-z])(?:telephone|tel|phone|mobile|mob|cell|fax|wechat|weixin|wx|vx|v|qq|id|idcard|card|no)[.:=#]?$",
    re.IGNORECASE,
)
_LABEL_CHARACTERS = 12
# `<` and `>` end an address, as they do in practice; the masks of `pii.py` have them at their ends.
_WEB_ADDRESS = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*://|(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,}/)[!-;=?-~]*$")
_WEB_ADDRESS_CHARACTERS = 300
_DECIMAL_BEFORE, _DECIMAL_AFTER = re.compile(r"[0-9]\.$"), re.compile(r"\.[0-9]")
# Short groups only: a whole number beside another one is a list.
_GROUP_BEFORE = re.compile(r"(?:(?<![0-9A-Za-z])[0-9]{1,6}|[A-Za-z][0-9A-Za-z]*)([ -])$")
_GROUP_AFTER = re.compile(r"([ -])(?:[0-9]{1,6}(?![0-9])|[A-Za-z])")


def stands_alone(text: str, start: int, end: int) -> bool:
    """Whether `text[start:end]` is a number by itself.

    It is not when letters or digits touch it (a label such as `Tel` or `ID=` may), when it is the whole or the broken
    part of a decimal number, or when it lies in a web address: article numbers look like telephone numbers.
    """
    before = text[max(start - _LABEL_CHARACTERS, 0) : start]
    if _is_word(text[end : end + 1]) or _DECIMAL_AFTER.match(text, end):
        return False
    if _LABEL.search(before):
        return True
    return not (_is_word(before[-1:]) or _DECIMAL_BEFORE.search(before) or in_web_address(text, start))


def in_web_address(text: str, place: int) -> bool:
    """Whether a web address goes on up to `place`."""
    before = text[max(place - _WEB_ADDRESS_CHARACTERS, 0) : place]
    return "/" in before and _WEB_ADDRESS.search(before) is not None


def is_grouped_further(text: str, start: int, end: int, separators: str) -> bool:
    """Whether one of `separators` and a short group of digits (or letters after a hyphen) join it to a longer number.

    `2023-13812345678-01` is the number of an order.
    """
    before = _GROUP_BEFORE.search(text[max(start - _LABEL_CHARACTERS, 0) : start])
    after = _GROUP_AFTER.match(text, end)
    return any(
        group is not None and group[1] in separators and not (group[1] == " " and group[0].strip().isalpha())
        for group in (before, after)
    )


def _is_word(character: str) -> bool:
    return character == "_" or (character.isascii() and character.isalnum())
