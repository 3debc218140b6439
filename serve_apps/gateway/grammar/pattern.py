"""Patterns of the kind that a grammar can hold: no look-around, no back-references, bounded in size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

from danlu.errors import InputError
from serve_apps.gateway.grammar.characters import CLASSES, CONTROLS, SURROGATES, Ranges, complement, merged
from serve_apps.gateway.grammar.matching import Places, ends_of
from serve_apps.gateway.grammar.regex import Chars, Choice, Regex, Repeat, Sequence_, ambiguous, endless, size

MAX_PATTERN = 1000  # characters
MAX_REPEAT = 100  # of one quantifier
MAX_EXPANDED = 400  # characters when every bounded repetition is written out: each takes tens of ms to compile
MAX_ENDLESS = 10  # repetitions without a limit
_MAX_DEPTH = 30


@dataclass(frozen=True)
class Pattern:
    """A parsed pattern and whether its ends were anchored (`^...$`)."""

    regex: Regex
    from_start: bool
    to_end: bool

    def fits(self, text: str) -> bool:
        """Whether the pattern is found in `text`; an anchored end has to lie at the text's own."""
        starts = 1 if self.from_start else (1 << len(text) + 1) - 1
        ends = ends_of(self.regex, Places(text), starts)
        return bool(ends >> len(text)) if self.to_end else ends > 0

    def fits_whole(self, text: str) -> bool:
        """Whether all of `text` is what the pattern describes."""
        return bool(ends_of(self.regex, Places(text), 1) >> len(text))


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
    if ambiguous(parsed):
        raise InputError(
            f"pattern {_short(text)}",
            rule="a repetition of no fixed number inside another one, or of what may be empty: such a grammar is "
            "ambiguous, and may take for ever to compile",
            fix="write it without the outer one, or with a fixed number inside",
        )
    if endless(parsed) > MAX_ENDLESS:
        raise InputError(f"pattern {_short(text)}", rule=f"at most {MAX_ENDLESS} repetitions without limit are allowed")
    return Pattern(parsed, from_start, to_end)


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
        if sign.lower() in CLASSES:
            ranges = CLASSES[sign.lower()]
            return ranges if sign.islower() else complement(ranges)
        if sign in "xu":
            width = 2 if sign == "x" else 4
            digits = self.text[self.at : min(self.at + width, self.end)]
            if len(digits) < width or not all(digit in "0123456789abcdefABCDEF" for digit in digits):
                self._fail(f"\\{sign} takes {width} hexadecimal digits")
            self.at += width
            return self._code(int(digits, 16))
        if sign in CONTROLS:
            return ((CONTROLS[sign], CONTROLS[sign]),)
        if sign.isalnum():
            self._fail(f"\\{sign} can't be held by a grammar")
        return self._code(ord(sign))

    def _code(self, code: int) -> Ranges:
        if SURROGATES[0] <= code <= SURROGATES[1]:
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
        ranges = complement(merged(found)) if negated else merged(found)
        if not ranges:
            self._fail("a set that holds no character")
        return ranges

    def _member(self) -> Ranges:
        sign = self._next()
        return self._escape() if sign == "\\" else self._code(ord(sign))


def _count(text: str) -> bool:
    return text.isascii() and text.isdecimal()
