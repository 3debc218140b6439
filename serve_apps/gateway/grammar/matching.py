"""Where in a text a regular expression fits.

Takes time polynomial in text and pattern (sets of positions are followed, nothing is tried again), so that `(a+)+$` is
as harmless as any other.
"""

from __future__ import annotations

from serve_apps.gateway.grammar.characters import Ranges, holds
from serve_apps.gateway.grammar.regex import Chars, Choice, Regex, Repeat, Sequence_


class Places:
    """Where in a text which characters stand; bit i of a set of places is place i."""

    def __init__(self, text: str) -> None:
        self._of: dict[int, int] = {}
        found: dict[str, list[int]] = {}
        for place, character in enumerate(text):
            found.setdefault(character, []).append(place)
        for character, places in found.items():
            bits = bytearray(len(text) // 8 + 1)
            for place in places:
                bits[place >> 3] |= 1 << (place & 7)
            self._of[ord(character)] = int.from_bytes(bits, "little")
        self._known: dict[Ranges, int] = {}

    def of(self, ranges: Ranges) -> int:
        """The places of all characters in some ranges."""
        if ranges not in self._known:
            places = 0
            for code, bits in self._of.items():
                if holds(ranges, code):
                    places |= bits
            self._known[ranges] = places
        return self._known[ranges]


def ends_of(regex: Regex, text: Places, starts: int) -> int:
    """Where a match that begins at one of the places `starts` can end."""
    if not starts:
        return 0
    match regex:
        case Chars(ranges):
            return (starts & text.of(ranges)) << 1
        case Sequence_(parts):
            for part in parts:
                starts = ends_of(part, text, starts)
            return starts
        case Choice(options):
            found = 0
            for option in options:
                found |= ends_of(option, text, starts)
            return found
        case Repeat(part, least, most):
            for _ in range(least):
                starts = ends_of(part, text, starts)
            found, fresh, count = starts, starts, least
            while fresh and (most is None or count < most):
                fresh = ends_of(part, text, fresh) & ~found
                found |= fresh
                count += 1
            return found
