"""EBNF of numbers within limits, digit by digit."""

from __future__ import annotations

from collections.abc import Iterable

from serve_apps.gateway.grammar.expressions import choice, literal
from serve_apps.gateway.grammar.nodes import Number
from serve_apps.gateway.grammar.scalars import MAX_DIGITS


def number_expression(node: Number) -> str:
    """A number of JSON; one with limits has no exponent."""
    if node.least is None and node.most is None:
        return "integer" if node.whole else "number"
    limit = 10**MAX_DIGITS - 1
    least = -limit if node.least is None else node.least
    most = limit if node.most is None else node.most
    options = []
    if most >= 0:
        options.append(_span(max(least, 0), most, node.whole))
    if least < 0:
        options.append(f'"-" {_span(max(-most, 0 if not node.whole else 1), -least, node.whole)}')
    return choice(options) if len(options) > 1 else f"({options[0]})"


def _span(low: int, high: int, whole: bool) -> str:
    """The numbers from `low` to `high` (both at least 0): whole ones, or with a fraction as well."""
    if whole:
        return choice(_digits(low, high))
    ends = f'{literal(str(high))} ("." "0"{{1,{MAX_DIGITS}}})?'
    if low == high:
        return f"({ends})"
    return choice([f'{choice(_digits(low, high - 1))} ("." digits)?', ends])


def _digits(low: int, high: int) -> Iterable[str]:
    """Whole numbers from `low` to `high` as alternatives of digit by digit."""
    for length in range(len(str(low)), len(str(high)) + 1):
        lowest = max(low, 10 ** (length - 1) if length > 1 else 0)
        highest = min(high, 10**length - 1)
        yield from _same_length(str(lowest), str(highest))


def _same_length(low: str, high: str) -> Iterable[str]:
    """Alternatives for the numbers between two of the same number of digits."""
    if low == high:
        yield literal(low)
        return
    if not low.strip("0") and not high.strip("9"):
        yield f"[0-9]{{{len(low)},{len(low)}}}"
        return
    first, last = int(low[0]), int(high[0])
    if first == last:
        for rest in _same_length(low[1:], high[1:]):
            yield f"{literal(low[0])} {rest}"
        return
    if len(low) == 1:
        yield f"[{first}-{last}]"
        return
    rest_nine, rest_zero = "9" * (len(low) - 1), "0" * (len(low) - 1)
    if low[1:].strip("0"):
        for rest in _same_length(low[1:], rest_nine):
            yield f"{literal(low[0])} {rest}"
        first += 1
    below = last if high[1:].strip("9") else last + 1
    if first < below:
        digits = str(first) if first == below - 1 else f"{first}-{below - 1}"
        yield f"[{digits}] [0-9]{{{len(rest_nine)},{len(rest_nine)}}}"
    if below == last:
        for rest in _same_length(rest_zero, high[1:]):
            yield f"{literal(high[0])} {rest}"
