"""EBNF of strings and patterns, by themselves and inside of JSON."""

from __future__ import annotations

from serve_apps.gateway.grammar.characters import Ranges
from serve_apps.gateway.grammar.expressions import character_set, choice, literal
from serve_apps.gateway.grammar.nodes import String
from serve_apps.gateway.grammar.regex import Chars, Choice, Regex, Repeat, Sequence_

_SIGNS = {(0, None): "*", (1, None): "+", (0, 1): "?"}
_FEW = 64  # characters of a set that somebody has listed
_JSON_ESCAPES = {34: '\\"', 92: "\\\\", 8: "\\b", 9: "\\t", 10: "\\n", 12: "\\f", 13: "\\r"}


def string_expression(node: String) -> str:
    """A string of JSON."""
    if node.pattern is not None:
        inner = regex_expression(node.pattern.regex, in_json=True)
        return f'("\\"" {inner} "\\"")'
    if node.least == 0 and node.most is None:
        return "string"
    # Without escapes, which would make each step fifty times as long: quotes and the like are left out.
    return f'("\\"" {_PLAIN}{{{node.least},{"" if node.most is None else node.most}}} "\\"")'


def regex_expression(regex: Regex, in_json: bool) -> str:
    """What a regular expression describes as a whole; inside of JSON strings, as JSON writes it."""
    match regex:
        case Chars(ranges):
            return _chars(ranges, in_json)
        case Sequence_(parts):
            return f"({' '.join(regex_expression(part, in_json) for part in parts)})" if parts else '""'
        case Choice(options):
            return choice(regex_expression(option, in_json) for option in options)
        case Repeat(part, least, most):
            if most == 0:
                return '""'
            bounds = _SIGNS.get((least, most)) or f"{{{least},{'' if most is None else most}}}"
            inner = regex_expression(part, in_json)
            # A set that is repeated by itself is compiled far better than one in parentheses.
            return inner + bounds if inner.startswith("[") and isinstance(part, Chars) else f"({inner}){bounds}"


def _chars(ranges: Ranges, in_json: bool) -> str:
    """A character of a set; inside of JSON strings, as JSON writes it.

    Large sets (`.`, `[^a]`) go without what JSON has to escape: see string_expression.
    """
    if not in_json:
        return character_set(ranges)
    plain = _without(ranges)
    if plain and sum(high - low + 1 for low, high in ranges) > _FEW:
        return character_set(plain)
    escaped = [code for code in (*range(32), 34, 92) if any(low <= code <= high for low, high in ranges)]
    texts = [literal(_JSON_ESCAPES.get(code, f"\\u{code:04x}")) for code in escaped]
    return choice([*([character_set(plain)] if plain else []), *texts])


def _without(ranges: Ranges) -> Ranges:
    """The ranges without what JSON strings have to escape."""
    found = []
    for low, high in ranges:
        low = max(low, 32)
        for code in (34, 92):
            if low <= code <= high:
                found.append((low, code - 1))
                low = code + 1
        found.append((low, high))
    return tuple((low, high) for low, high in found if low <= high)


# One set repeated by itself, with the rare escapes between: any other way of writing it costs a step of 150,000 tokens
# 70 ms instead of 1. Escapes of surrogates are left out: half a pair is no character.
_PLAIN = character_set(_without(((0, 0x10FFFF),)))
_ESCAPE = '"\\\\" (["\\\\/bfnrt] | "u" ([0-9a-cefA-CEF] hex hex hex | [dD] [0-7] hex hex))'
ANY_STRING = f'"\\"" {_PLAIN}* ({_ESCAPE} {_PLAIN}*)* "\\""'
