"""Expressions of EBNF: literals, alternatives, sets of characters."""

from __future__ import annotations

from collections.abc import Iterable

from serve_apps.gateway.grammar.characters import Ranges

# Code points whose UTF-8 differs in its last bytes only as far as any does (surrogates are left out).
_ALIKE = (
    *((0, 0x7F), (0x80, 0x7FF), (0x800, 0xFFF), (0x1000, 0xCFFF), (0xD000, 0xD7FF), (0xE000, 0xFFFF)),
    *((0x10000, 0x3FFFF), (0x40000, 0xFFFFF), (0x100000, 0x10FFFF)),
)


def choice(options: Iterable[str]) -> str:
    """One of several."""
    found = list(options)
    return found[0] if len(found) == 1 else f"({' | '.join(found)})"


def literal(text: str) -> str:
    """A fixed text."""
    return '"' + "".join(_escaped(character, '"\\') for character in text) + '"'


def _escaped(character: str, special: str) -> str:
    code = ord(character)
    if character in special:
        return "\\" + character
    if code < 32 or code == 127 or 0xD800 <= code <= 0xDFFF:
        return f"\\u{code:04x}"
    return character


def character_set(ranges: Ranges) -> str:
    """A set of characters, spelled out: xgrammar lets bytes through that are no UTF-8 where a range goes over such a
    border, and for a negated set always."""
    pieces = [
        (max(low, first), min(high, last))
        for low, high in ranges
        for first, last in _ALIKE
        if max(low, first) <= min(high, last)
    ]
    return "[" + "".join(_code(low) if low == high else f"{_code(low)}-{_code(high)}" for low, high in pieces) + "]"


def _code(code: int) -> str:
    if chr(code).isalnum() and code < 128:
        return chr(code)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
