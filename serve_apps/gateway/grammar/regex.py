"""What a regular expression is made of, and what can be told of it without a text."""

from __future__ import annotations

from dataclasses import dataclass

from serve_apps.gateway.grammar.characters import Ranges


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


def ambiguous(regex: Regex, inside: bool = False) -> bool:
    """Whether a repetition of no fixed number stands in another one, or one without limit repeats what may be empty."""
    match regex:
        case Chars():
            return False
        case Sequence_(parts):
            return any(ambiguous(part, inside) for part in parts)
        case Choice(options):
            return any(ambiguous(option, inside) for option in options)
        case Repeat(part, least, most):
            several = most is None or most > 1
            if several and (_may_be_empty(part) or (inside and least != most)):
                return True
            return ambiguous(part, inside or several)


def endless(regex: Regex) -> int:
    """How many repetitions have no limit."""
    match regex:
        case Chars():
            return 0
        case Sequence_(parts):
            return sum(map(endless, parts))
        case Choice(options):
            return sum(map(endless, options))
        case Repeat(part, _, most):
            return endless(part) + (most is None)


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
