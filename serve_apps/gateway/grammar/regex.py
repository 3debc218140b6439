"""Regular expressions of the kind that a grammar can hold: no look-around, no back-references, bounded in size.

Matching takes time polynomial in text and pattern (sets of positions are followed, nothing is tried again), so that
`(a+)+$` is as harmless as any other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

from danlu.errors import InputError

MAX_PATTERN = 1000  # characters
MAX_REPEAT = 100  # of one quantifier
MAX_EXPANDED = 400  # characters when every bounded repetition is written out: each takes tens of ms to compile
MAX_ENDLESS = 10  # repetitions without a limit
_MAX_DEPTH = 30
_LAST = 0x10FFFF
_SURROGATES = (0xD800, 0xDFFF)
_NUL = (0, 0)

Ranges = tuple[tuple[int, int], ...]  # sorted, apart from each other, ends included

_DIGIT: Ranges = ((48, 57),)
_WORD: Ranges = ((48, 57), (65, 90), (95, 95), (97, 122))
_SPACE: Ranges = ((9, 13), (32, 32))
_CLASSES = {"d": _DIGIT, "w": _WORD, "s": _SPACE}
_CONTROLS = {"t": 9, "n": 10, "v": 11, "f": 12, "r": 13}


@dataclass(frozen=True)
class Chars:
    """One character out of some ranges of code points."""

    ranges: Ranges


@dataclass(frozen=True)
class Sequence_:
    """One part after the other."""

    parts: tuple[Regex, ...]


@dataclass(frozen=True)
class Choice:
    """One of several."""

    options: tuple[Regex, ...]


@dataclass(frozen=True)
class Repeat:
    """`least` to `most` times; `most` None has no limit."""

    part: Regex
    least: int
    most: int | None


Regex = Chars | Sequence_ | Choice | Repeat


@dataclass(frozen=True)
class Pattern:
    """A parsed pattern and whether its ends were anchored (`^...$`)."""

    regex: Regex
    from_start: bool
    to_end: bool

    def fits(self, text: str) -> bool:
        """Whether the pattern is found in `text`; an anchored end has to lie at the text's own."""
        starts = 1 if self.from_start else (1 << len(text) + 1) - 1
        ends = _ends(self.regex, _Places(text), starts)
        return bool(ends >> len(text)) if self.to_end else ends > 0

    def fits_whole(self, text: str) -> bool:
        """Whether all of `text` is what the pattern describes."""
        return bool(_ends(self.regex, _Places(text), 1) >> len(text))


def parse_pattern(text: str) -> Pattern:
    """Parse a pattern.

    Raises:
        InputError: it can't be read, is too large, or asks for what a grammar can't hold.
    """
    if len(text) > MAX_PATTERN:
        raise InputError(f"the pattern has {len(text)} characters", rule=f"at most {MAX_PATTERN} are allowed")
    body = text.removeprefix("^")
    from_start = body != text
    slashes = len(body[:-1]) - len(body[:-1].rstrip("\\"))
    to_end = body.endswith("$") and slashes % 2 == 0
    parser = _Parser(text, 1 if from_start else 0, len(text) - (1 if to_end else 0))
    parsed = parser.whole()
    if (from_start or to_end) and parser.alternatives:
        # `^a|b$` anchors a and b on one side each, which is hardly ever meant.
        raise InputError(f"pattern {_short(text)}", rule="^ and $ beside | bind to one side only", fix="write ^(...)$")
    expanded = size(parsed)
    if expanded > MAX_EXPANDED:
        raise InputError(
            f"pattern {_short(text)}", rule=f"written out it has {expanded} characters, {MAX_EXPANDED} are allowed"
        )
    if _ambiguous(parsed):
        raise InputError(
            f"pattern {_short(text)}",
            rule="a repetition of no fixed number inside another one, or of what may be empty: such a grammar is "
            "ambiguous, and may take for ever to compile",
            fix="write it without the outer one, or with a fixed number inside",
        )
    if _endless(parsed) > MAX_ENDLESS:
        raise InputError(f"pattern {_short(text)}", rule=f"at most {MAX_ENDLESS} repetitions without limit are allowed")
    return Pattern(parsed, from_start, to_end)


def size(regex: Regex) -> int:
    """How many characters a regex has when its bounded repetitions are written out."""
    match regex:
        case Chars():
            return 1
        case Sequence_(parts):
            return 1 + sum(map(size, parts))
        case Choice(options):
            return 1 + sum(map(size, options))
        case Repeat(part, least, most):
            return 1 + size(part) * max(least, most or 1, 1)


def _ambiguous(regex: Regex, inside: bool = False) -> bool:
    """Whether a repetition of no fixed number stands in another one, or one without limit repeats what may be empty."""
    match regex:
        case Chars():
            return False
        case Sequence_(parts):
            return any(_ambiguous(part, inside) for part in parts)
        case Choice(options):
            return any(_ambiguous(option, inside) for option in options)
        case Repeat(part, least, most):
            several = most is None or most > 1
            if several and (_may_be_empty(part) or (inside and least != most)):
                return True
            return _ambiguous(part, inside or several)


def _endless(regex: Regex) -> int:
    """How many repetitions have no limit."""
    match regex:
        case Chars():
            return 0
        case Sequence_(parts):
            return sum(map(_endless, parts))
        case Choice(options):
            return sum(map(_endless, options))
        case Repeat(part, _, most):
            return _endless(part) + (most is None)


def _may_be_empty(regex: Regex) -> bool:
    match regex:
        case Chars():
            return False
        case Sequence_(parts):
            return all(map(_may_be_empty, parts))
        case Choice(options):
            return any(map(_may_be_empty, options))
        case Repeat(part, least, _):
            return least == 0 or _may_be_empty(part)


def complement(ranges: Ranges) -> Ranges:
    """Every other character. Surrogates are none, and U+0000 is left out: no engine writes it."""
    found: list[tuple[int, int]] = []
    at = 0
    for low, high in _merged([*ranges, _NUL, _SURROGATES]):
        if at < low:
            found.append((at, low - 1))
        at = high + 1
    return (*found, (at, _LAST)) if at <= _LAST else tuple(found)


class _Places:
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
                if _holds(ranges, code):
                    places |= bits
            self._known[ranges] = places
        return self._known[ranges]


def _ends(regex: Regex, text: _Places, starts: int) -> int:
    """Where a match that begins at one of the places `starts` can end."""
    if not starts:
        return 0
    match regex:
        case Chars(ranges):
            return (starts & text.of(ranges)) << 1
        case Sequence_(parts):
            for part in parts:
                starts = _ends(part, text, starts)
            return starts
        case Choice(options):
            found = 0
            for option in options:
                found |= _ends(option, text, starts)
            return found
        case Repeat(part, least, most):
            for _ in range(least):
                starts = _ends(part, text, starts)
            found, fresh, count = starts, starts, least
            while fresh and (most is None or count < most):
                fresh = _ends(part, text, fresh) & ~found
                found |= fresh
                count += 1
            return found


def _holds(ranges: Ranges, code: int) -> bool:
    return any(low <= code <= high for low, high in ranges)


def _merged(ranges: list[tuple[int, int]]) -> Ranges:
    found: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if found and low <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], high))
        else:
            found.append((low, high))
    return tuple(found)


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")


class _Parser:
    """Recursive descent over `text[at:end]`."""

    def __init__(self, text: str, at: int, end: int) -> None:
        self.text = text
        self.at = at
        self.end = end
        self.depth = 0
        self.alternatives = False  # outside of any group

    def whole(self) -> Regex:
        found = self._choice()
        if self.at < self.end:
            self._fail("a closing parenthesis without an opening one")
        return found

    def _fail(self, why: str) -> NoReturn:
        raise InputError(f"pattern {_short(self.text)} at character {self.at}", rule=why)

    def _peek(self, ahead: str) -> bool:
        return self.text.startswith(ahead, self.at, self.end)

    def _take(self, ahead: str) -> bool:
        if not self._peek(ahead):
            return False
        self.at += len(ahead)
        return True

    def _next(self) -> str:
        if self.at >= self.end:
            self._fail("it ends in the middle")
        self.at += 1
        return self.text[self.at - 1]

    def _choice(self) -> Regex:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            self._fail(f"more than {_MAX_DEPTH} groups inside each other")
        options = [self._sequence()]
        while self._take("|"):
            options.append(self._sequence())
        self.depth -= 1
        self.alternatives = self.depth == 0 and len(options) > 1
        return options[0] if len(options) == 1 else Choice(tuple(options))

    def _sequence(self) -> Regex:
        parts = list(self._parts())
        return parts[0] if len(parts) == 1 else Sequence_(tuple(parts))

    def _parts(self) -> Iterator[Regex]:
        while self.at < self.end and not self._peek("|") and not self._peek(")"):
            yield self._repeated(self._atom())

    def _repeated(self, part: Regex) -> Regex:
        bounds = self._bounds()
        if bounds is None:
            return part
        self._take("?")  # lazy or greedy: the language is the same
        if self._peek("*") or self._peek("+") or self._peek("?") or self._peek("{"):
            self._fail("a quantifier after a quantifier")
        return Repeat(part, *bounds)

    def _bounds(self) -> tuple[int, int | None] | None:
        for sign, bounds in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
            if self._take(sign):
                return bounds
        if not self._take("{"):
            return None
        close = self.text.find("}", self.at, self.end)
        low, comma, high = self.text[self.at : max(close, self.at)].partition(",")
        if close < 0 or not _count(low) or (high and not _count(high)):
            self._fail("a quantifier is written {m}, {m,} or {m,n}")
        self.at = close + 1
        if max(len(low), len(high)) > 18:  # int() of very many digits is slow, and refused at some number of them
            self._fail(f"a quantifier above {MAX_REPEAT}, the most that is allowed")
        least = int(low)
        most = least if not comma else int(high) if high else None
        if max(least, most or 0) > MAX_REPEAT:
            self._fail(f"a quantifier above {MAX_REPEAT}, the most that is allowed")
        if most is not None and most < least:
            self._fail("a quantifier whose bounds are the wrong way round")
        return least, most

    def _atom(self) -> Regex:
        sign = self._next()
        if sign == "(":
            return self._group()
        if sign == "[":
            return Chars(self._set())
        if sign == "\\":
            return Chars(self._escape())
        if sign == ".":
            return Chars(complement(((10, 10), (13, 13))))
        if sign in "*+?{":
            self._fail("a quantifier with nothing before it")
        if sign in "^$":
            self._fail("^ and $ are known at the two ends only")
        return Chars(self._code(ord(sign)))

    def _group(self) -> Regex:
        if self._take("?"):
            named = self._take("P<") or (self._peek("<") and not self._peek("<=") and not self._peek("<!"))
            if named:
                close = self.text.find(">", self.at, self.end)
                if close < 0:
                    self._fail("a group's name is not closed")
                self.at = close + 1
            elif not self._take(":"):
                self._fail("look-around and flags can't be held by a grammar")
        found = self._choice()
        if not self._take(")"):
            self._fail("a group is not closed")
        return found

    def _escape(self) -> Ranges:
        sign = self._next()
        if sign.lower() in _CLASSES:
            ranges = _CLASSES[sign.lower()]
            return ranges if sign.islower() else complement(ranges)
        if sign in "xu":
            width = 2 if sign == "x" else 4
            digits = self.text[self.at : min(self.at + width, self.end)]
            if len(digits) < width or not all(digit in "0123456789abcdefABCDEF" for digit in digits):
                self._fail(f"\\{sign} takes {width} hexadecimal digits")
            self.at += width
            return self._code(int(digits, 16))
        if sign in _CONTROLS:
            return ((_CONTROLS[sign], _CONTROLS[sign]),)
        if sign.isalnum():
            self._fail(f"\\{sign} can't be held by a grammar")
        return self._code(ord(sign))

    def _code(self, code: int) -> Ranges:
        if _SURROGATES[0] <= code <= _SURROGATES[1]:
            self._fail("half a surrogate pair is no character")
        if code == 0:
            self._fail("no engine writes the character U+0000")
        return ((code, code),)

    def _set(self) -> Ranges:
        negated = self._take("^")
        found: list[tuple[int, int]] = []
        first = True
        while first or not self._take("]"):
            first = False
            low = self._member()
            if len(low) == 1 and low[0][0] == low[0][1] and self._peek("-") and not self._peek("-]"):
                self.at += 1
                high = self._member()
                if len(high) > 1 or high[0][0] != high[0][1] or high[0][0] < low[0][0]:
                    self._fail("a range whose ends are the wrong way round")
                low = ((low[0][0], high[0][0]),)
            found.extend(low)
        ranges = complement(_merged(found)) if negated else _merged(found)
        if not ranges:
            self._fail("a set that holds no character")
        return ranges

    def _member(self) -> Ranges:
        sign = self._next()
        return self._escape() if sign == "\\" else self._code(ord(sign))


def _count(text: str) -> bool:
    return text.isascii() and text.isdecimal()
