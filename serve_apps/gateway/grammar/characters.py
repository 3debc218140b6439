"""Sets of characters, as ranges of code points."""

from __future__ import annotations

_LAST = 0x10FFFF
SURROGATES = (0xD800, 0xDFFF)
_NUL = (0, 0)
Ranges = tuple[tuple[int, int], ...]  # sorted, apart from each other, ends included
_DIGIT: Ranges = ((48, 57),)
_WORD: Ranges = ((48, 57), (65, 90), (95, 95), (97, 122))
_SPACE: Ranges = ((9, 13), (32, 32))
CLASSES = {"d": _DIGIT, "w": _WORD, "s": _SPACE}
CONTROLS = {"t": 9, "n": 10, "v": 11, "f": 12, "r": 13}


def complement(ranges: Ranges) -> Ranges:
    """Every other character. Surrogates are none, and U+0000 is left out: no engine writes it."""
    found: list[tuple[int, int]] = []
    at = 0
    for low, high in merged([*ranges, _NUL, SURROGATES]):
        if at < low:
            found.append((at, low - 1))
        at = high + 1
    return (*found, (at, _LAST)) if at <= _LAST else tuple(found)


def merged(ranges: list[tuple[int, int]]) -> Ranges:
    """The same characters, sorted and with what touches in one range."""
    found: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if found and low <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], high))
        else:
            found.append((low, high))
    return tuple(found)


def holds(ranges: Ranges, code: int) -> bool:
    """Whether a code point is among them."""
    return any(low <= code <= high for low, high in ranges)
