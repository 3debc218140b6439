"""Tables over all code points, so that what is asked of every character of a corpus is one look-up in numpy.

Both are made once in a process, in a fifth of a second, and take 9 MB.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Iterator
from enum import IntEnum
from functools import cache

import numpy as np

_CODE_POINTS = sys.maxunicode + 1
_NO_WORD = re.compile(r"[\W_]+")
_HAN = ((0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x323AF), (0xF900, 0xFAFF))
_KANA = ((0x3041, 0x30FF),)
_HANGUL = ((0xAC00, 0xD7A3), (0x1100, 0x11FF), (0x3131, 0x318E))
# Letters that no folding changes but that of script, in the order of their code points: most characters there are.
_SELVES = ((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0x20000, 0x2F7FF), (0x30000, 0x323AF))
_VARIATION_SELECTORS = range(0xFE00, 0xFE10)
_NO_CHARACTERS = (0xD800, 0xF8FF)  # surrogates and private use
# What a fold gives for a character that is not folded by itself: it is written out or joined with its neighbours.
TOGETHER = np.uint32(_CODE_POINTS)


class Kind(IntEnum):
    """What the filters tell apart."""

    SPACE = 0
    COMMON_HAN = 1
    RARE_HAN = 2
    KANA = 3
    HANGUL = 4
    LATIN = 5
    OTHER_LETTER = 6
    DIGIT = 7
    PUNCTUATION = 8
    SYMBOL = 9
    BROKEN = 10


def code_points(text: str) -> np.ndarray:
    """(n_characters,) uint32."""
    return np.frombuffer(text.encode("utf-32-le", errors="surrogatepass"), dtype="<u4")


def to_text(points: np.ndarray) -> str:
    """The text of (n,) uint32 code points."""
    return points.astype("<u4", copy=False).tobytes().decode("utf-32-le", errors="surrogatepass")


@cache
def fold_table() -> np.ndarray:
    """(1,114,112,) uint32: each character's compatibility form, in lower case and simplified.

    0 for what is neither letter nor digit, `TOGETHER` for what becomes several characters or composes with others.
    """
    table = np.zeros(_CODE_POINTS, dtype=np.uint32)
    simplified = _simplified()
    for low, high in _SELVES:
        selves = [point for point in range(low, high + 1) if unicodedata.category(chr(point)) != "Cn"]
        table[selves] = selves
    for character, plain in simplified.items():
        table[ord(character)] = ord(plain)
    for point in _assigned():
        character = chr(point)
        if unicodedata.category(character)[0] == "M" and point not in _VARIATION_SELECTORS:
            table[point] = TOGETHER
            continue
        plain = unicodedata.normalize("NFKC", character).lower()
        folded = _NO_WORD.sub("", "".join(simplified.get(c, c) for c in plain))
        joins = _HANGUL[1][0] <= point <= _HANGUL[1][1]
        table[point] = TOGETHER if len(folded) > 1 or joins else ord(folded) if folded else 0
    return table


@cache
def kind_table() -> np.ndarray:
    """(1,114,112,) uint8: the `Kind` of each code point; unassigned ones are BROKEN."""
    table = np.full(_CODE_POINTS, Kind.BROKEN, dtype=np.uint8)
    for point in _assigned():
        table[point] = _kind_by_category(chr(point))
    for ranges, kind in ((_HAN, Kind.RARE_HAN), (_KANA, Kind.KANA), (_HANGUL, Kind.HANGUL)):
        for low, high in ranges:
            table[low : high + 1] = kind
    usual = _usual_han()
    table[[ord(character) for character in usual]] = Kind.COMMON_HAN
    # A traditional character is as usual as the simplified one that it is written for.
    table[[ord(c) for c, plain in _simplified().items() if plain in usual]] = Kind.COMMON_HAN
    return table


def _assigned() -> Iterator[int]:
    """Code points of characters, without `_SELVES`, surrogates, private use and what Unicode has left open."""
    start = 0
    for low, high in sorted([*_SELVES, _NO_CHARACTERS, (0x32400, 0x32400)]):
        yield from (point for point in range(start, low) if unicodedata.category(chr(point)) != "Cn")
        start = high + 1
    yield from range(0xE0001, 0xE01F0)


def _kind_by_category(character: str) -> Kind:
    category = unicodedata.category(character)
    if character.isspace() or category[0] == "Z":
        return Kind.SPACE
    if character == "\ufffd" or category in ("Co", "Cn", "Cs", "Cc"):
        return Kind.BROKEN
    if category == "Nd":
        return Kind.DIGIT
    if category[0] == "P":
        return Kind.SYMBOL if character in "#%&*@\\/_-+|^~<>{}[]" else Kind.PUNCTUATION
    if category[0] in "LM":
        return Kind.LATIN if "LATIN" in unicodedata.name(character, "") else Kind.OTHER_LETTER
    return Kind.SYMBOL


@cache
def _simplified() -> dict[str, str]:
    """Traditional characters and their simplified forms, one by one (OpenCC)."""
    import opencc

    han = [chr(point) for low, high in _HAN for point in range(low, high + 1)]
    # A line break between them keeps the converter from taking neighbours for a phrase.
    plain = opencc.OpenCC("t2s").convert("\n".join(han)).split("\n")
    return {character: one for character, one in zip(han, plain, strict=True) if one != character and len(one) == 1}


@cache
def _usual_han() -> frozenset[str]:
    """Level 1 of GB 2312: rows 16 to 55, ordered by pronunciation, which covers all but rare words and names."""
    rows = (bytes((high, low)) for high in range(0xB0, 0xD8) for low in range(0xA1, 0xFF))
    return frozenset(pair.decode("gb2312", errors="ignore") for pair in rows) - {""}
