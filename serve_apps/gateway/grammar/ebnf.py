"""Grammars in EBNF from parsed schemas and patterns. Everything that repeats outside of strings is bounded.

Between the parts of an object or array there is one space at most: a grammar that allows any white space lets a weak
model write nothing else until its tokens are used up.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from danlu.errors import InputError
from serve_apps.gateway.grammar.regex import Chars, Choice, Ranges, Regex, Repeat, Sequence_
from serve_apps.gateway.grammar.schema import (
    MAX_DIGITS,
    AnyObject,
    AnyValue,
    Array,
    Boolean,
    Node,
    Number,
    Object,
    Property,
    Reference,
    Schema,
    String,
    Union,
    Values,
)

MAX_GRAMMAR = 250_000  # characters
# Code points whose UTF-8 differs in its last bytes only as far as any does (surrogates are left out).
_ALIKE = (
    *((0, 0x7F), (0x80, 0x7FF), (0x800, 0xFFF), (0x1000, 0xCFFF), (0xD000, 0xD7FF), (0xE000, 0xFFFF)),
    *((0x10000, 0x3FFFF), (0x40000, 0xFFFFF), (0x100000, 0x10FFFF)),
)
_COMMA, _COLON = '"," sp', '":" sp'
_SHARED = {
    "sp": '" "?',
    "hex": "[0-9a-fA-F]",
    "digits": f"[0-9]{{1,{MAX_DIGITS}}}",
    "whole": f'"0" | [1-9] [0-9]{{0,{MAX_DIGITS - 1}}}',
    "integer": '"-"? whole',
    "number": '"-"? whole ("." digits)? ([eE] [+-]? [0-9]{1,2})?',
    "boolean": '"true" | "false"',
    "value": 'object | array | string | number | boolean | "null"',
    "object": f'"{{" (string {_COLON} value ({_COMMA} string {_COLON} value)*)? "}}"',
    "array": f'"[" (value ({_COMMA} value)*)? "]"',
}


def regex_grammar(regex: Regex) -> str:
    """The grammar of all texts that a pattern describes as a whole."""
    return f"root ::= {_regex(regex, in_json=False)}\n"


def schema_grammar(schema: Schema, before: str = "", after: str = "") -> str:
    """The grammar of all JSON texts of a schema, between two fixed texts."""
    return union_grammar([(before, schema, after)])


def union_grammar(options: Iterable[tuple[str, Schema, str]]) -> str:
    """The grammar of (text before, JSON of a schema, text after), one of several.

    Raises:
        InputError: it would be too large.
    """
    writer = _Writer()
    roots = []
    for number, (before, schema, after) in enumerate(options):
        writer.begin(schema, f"s{number}")
        parts = [_literal(before), writer.expression(schema.root), _literal(after)]
        roots.append(" ".join(part for part in parts if part != '""'))
    writer.rules["root"] = " | ".join(roots)
    text = writer.text()
    if len(text) > MAX_GRAMMAR:
        raise InputError(
            f"the grammar of the schemas has {len(text)} characters",
            rule=f"at most {MAX_GRAMMAR} are allowed",
            fix="ask for less, or offer fewer tools",
        )
    return text


class _Writer:
    def __init__(self) -> None:
        self.rules: dict[str, str] = {}
        self._prefix = ""
        self._places: dict[str, str] = {}

    def begin(self, schema: Schema, prefix: str) -> None:
        """Write the rules of a schema's places; their names begin with `prefix`."""
        self._prefix = prefix
        self._places = {place: f"{prefix}ref{i}" for i, place in enumerate(schema.places)}
        for place, node in schema.places.items():
            self.rules[self._places[place]] = self.expression(node)

    def text(self) -> str:
        """All rules, with those of the shared ones that are used."""
        waiting, used = list(self.rules.values()), dict(self.rules)
        while waiting:
            for word in set(re.findall("[a-z]+", waiting.pop())):  # words of literals too, which does no harm
                if word in _SHARED and word not in used:
                    used[word] = _SHARED[word]
                    waiting.append(_SHARED[word])
        root = used.pop("root")
        return "".join(f"{name} ::= {rule}\n" for name, rule in {"root": root, **used}.items())

    def expression(self, node: Node) -> str:
        """What a node allows, as one element of a rule."""
        match node:
            case AnyValue():
                return "value"
            case AnyObject():
                return "object"
            case Boolean():
                return "boolean"
            case Number():
                return _number(node)
            case String():
                return _string(node)
            case Values(texts):
                return _choice(map(_literal, texts))
            case Array():
                return self._array(node)
            case Object():
                return self._object(node)
            case Union(options):
                return _choice(self.expression(option) for option in options)
            case Reference(place):
                return self._places[place]

    def _rule(self, expression: str) -> str:
        name = f"{self._prefix}r{len(self.rules)}"
        self.rules[name] = expression
        return name

    def _array(self, node: Array) -> str:
        most = len(node.first) if node.rest is None else node.most
        if node.most is not None and most is not None:
            most = min(most, node.most)
        first = [self.expression(part) for part in node.first[:most]]
        # From the back: what may follow once `done` items are there.
        rest = '""'
        if node.rest is not None and (most is None or most > len(first)):
            bounds = f"{max(0, node.least - len(first))},{'' if most is None else most - len(first)}"
            rest = self._repeated(self._rule(self.expression(node.rest)), bounds, begins=not first)
        for done in range(len(first) - 1, -1, -1):
            step = f"{first[done]} {rest}" if done == 0 else f"{_COMMA} {first[done]} {rest}"
            rest = self._rule(step) if done < node.least else self._rule(f'{step} | ""')
        return f'("[" {rest} "]")'

    @staticmethod
    def _repeated(item: str, bounds: str, begins: bool) -> str:
        """So many items, each after a comma, save the first where the array begins with it."""
        if not begins:
            return f"({_COMMA} {item}){{{bounds}}}"
        least, _, most = bounds.partition(",")
        more = f"{max(0, int(least) - 1)},{int(most) - 1 if most else ''}"
        some = item if most == "1" else f"({item} ({_COMMA} {item}){{{more}}})"
        return some if int(least) else f"{some}?"

    def _object(self, node: Object) -> str:
        if not node.properties:
            if node.others is None:
                return '"{}"'
            pair = f"string {_COLON} {self._rule(self.expression(node.others))}"
            return f'("{{" ({pair} ({_COMMA} {pair})*)? "}}")'
        # `first` goes on before anything is written, `later` after a property; from the back, one rule for each.
        first = later = '""'
        for part in reversed(node.properties):
            pair = self._pair(part)
            begun, going_on = f"{pair} {later}", f"{_COMMA} {pair} {later}"
            first = begun if part.required else self._rule(f"{begun} | {first}")
            later = self._rule(going_on if part.required else f"{going_on} | {later}")
        return f'("{{" {first} "}}")'

    def _pair(self, part: Property) -> str:
        name = _literal(json.dumps(part.name, ensure_ascii=False))
        return self._rule(f"{name} {_COLON} {self.expression(part.node)}")


def _choice(options: Iterable[str]) -> str:
    found = list(options)
    return found[0] if len(found) == 1 else f"({' | '.join(found)})"


def _literal(text: str) -> str:
    return '"' + "".join(_escaped(character, '"\\') for character in text) + '"'


def _escaped(character: str, special: str) -> str:
    code = ord(character)
    if character in special:
        return "\\" + character
    if code < 32 or code == 127 or 0xD800 <= code <= 0xDFFF:
        return f"\\u{code:04x}"
    return character


def _string(node: String) -> str:
    if node.pattern is not None:
        inner = _regex(node.pattern.regex, in_json=True)
        return f'("\\"" {inner} "\\"")'
    if node.least == 0 and node.most is None:
        return "string"
    # Without escapes, which would make each step fifty times as long: quotes and the like are left out.
    return f'("\\"" {_PLAIN}{{{node.least},{"" if node.most is None else node.most}}} "\\"")'


def _regex(regex: Regex, in_json: bool) -> str:
    match regex:
        case Chars(ranges):
            return _chars(ranges, in_json)
        case Sequence_(parts):
            return f"({' '.join(_regex(part, in_json) for part in parts)})" if parts else '""'
        case Choice(options):
            return _choice(_regex(option, in_json) for option in options)
        case Repeat(part, least, most):
            if most == 0:
                return '""'
            bounds = _SIGNS.get((least, most)) or f"{{{least},{'' if most is None else most}}}"
            inner = _regex(part, in_json)
            # A set that is repeated by itself is compiled far better than one in parentheses.
            return inner + bounds if inner.startswith("[") and isinstance(part, Chars) else f"({inner}){bounds}"


_SIGNS = {(0, None): "*", (1, None): "+", (0, 1): "?"}
_FEW = 64  # characters of a set that somebody has listed
_JSON_ESCAPES = {34: '\\"', 92: "\\\\", 8: "\\b", 9: "\\t", 10: "\\n", 12: "\\f", 13: "\\r"}


def _chars(ranges: Ranges, in_json: bool) -> str:
    """A character of a set; inside of JSON strings, as JSON writes it.

    Large sets (`.`, `[^a]`) go without what JSON has to escape: see _string.
    """
    if not in_json:
        return _set(ranges)
    plain = _without(ranges)
    if plain and sum(high - low + 1 for low, high in ranges) > _FEW:
        return _set(plain)
    escaped = [code for code in (*range(32), 34, 92) if any(low <= code <= high for low, high in ranges)]
    texts = [_literal(_JSON_ESCAPES.get(code, f"\\u{code:04x}")) for code in escaped]
    return _choice([*([_set(plain)] if plain else []), *texts])


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


def _set(ranges: Ranges) -> str:
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


def _number(node: Number) -> str:
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
    return _choice(options) if len(options) > 1 else f"({options[0]})"


def _span(low: int, high: int, whole: bool) -> str:
    """The numbers from `low` to `high` (both at least 0): whole ones, or with a fraction as well."""
    if whole:
        return _choice(_digits(low, high))
    ends = f'{_literal(str(high))} ("." "0"{{1,{MAX_DIGITS}}})?'
    if low == high:
        return f"({ends})"
    return _choice([f'{_choice(_digits(low, high - 1))} ("." digits)?', ends])


def _digits(low: int, high: int) -> Iterable[str]:
    """Whole numbers from `low` to `high` as alternatives of digit by digit."""
    for length in range(len(str(low)), len(str(high)) + 1):
        lowest = max(low, 10 ** (length - 1) if length > 1 else 0)
        highest = min(high, 10**length - 1)
        yield from _same_length(str(lowest), str(highest))


def _same_length(low: str, high: str) -> Iterable[str]:
    """Alternatives for the numbers between two of the same number of digits."""
    if low == high:
        yield _literal(low)
        return
    if not low.strip("0") and not high.strip("9"):
        yield f"[0-9]{{{len(low)},{len(low)}}}"
        return
    first, last = int(low[0]), int(high[0])
    if first == last:
        for rest in _same_length(low[1:], high[1:]):
            yield f"{_literal(low[0])} {rest}"
        return
    if len(low) == 1:
        yield f"[{first}-{last}]"
        return
    rest_nine, rest_zero = "9" * (len(low) - 1), "0" * (len(low) - 1)
    if low[1:].strip("0"):
        for rest in _same_length(low[1:], rest_nine):
            yield f"{_literal(low[0])} {rest}"
        first += 1
    below = last if high[1:].strip("9") else last + 1
    if first < below:
        digits = str(first) if first == below - 1 else f"{first}-{below - 1}"
        yield f"[{digits}] [0-9]{{{len(rest_nine)},{len(rest_nine)}}}"
    if below == last:
        for rest in _same_length(rest_zero, high[1:]):
            yield f"{_literal(high[0])} {rest}"


# One set repeated by itself, with the rare escapes between: any other way of writing it costs a step of 150,000 tokens
# 70 ms instead of 1. Escapes of surrogates are left out: half a pair is no character.
_PLAIN = _set(_without(((0, 0x10FFFF),)))
_ESCAPE = '"\\\\" (["\\\\/bfnrt] | "u" ([0-9a-cefA-CEF] hex hex hex | [dD] [0-7] hex hex))'
_SHARED["string"] = f'"\\"" {_PLAIN}* ({_ESCAPE} {_PLAIN}*)* "\\""'
