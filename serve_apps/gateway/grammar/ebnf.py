"""Grammars in EBNF from parsed schemas and patterns. Everything that repeats outside of strings is bounded.

Between the parts of an object or array there is one space at most: a grammar that allows any white space lets a weak
model write nothing else until its tokens are used up.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from danlu.errors import InputError
from serve_apps.gateway.grammar.expressions import choice, literal
from serve_apps.gateway.grammar.nodes import (
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
from serve_apps.gateway.grammar.number_expressions import number_expression
from serve_apps.gateway.grammar.regex import Regex
from serve_apps.gateway.grammar.scalars import MAX_DIGITS
from serve_apps.gateway.grammar.text_expressions import ANY_STRING, regex_expression, string_expression

MAX_GRAMMAR = 250_000  # characters
COMMA, COLON = '"," sp', '":" sp'
SHARED = {
    "sp": '" "?',
    "hex": "[0-9a-fA-F]",
    "string": ANY_STRING,
    "digits": f"[0-9]{{1,{MAX_DIGITS}}}",
    "whole": f'"0" | [1-9] [0-9]{{0,{MAX_DIGITS - 1}}}',
    "integer": '"-"? whole',
    "number": '"-"? whole ("." digits)? ([eE] [+-]? [0-9]{1,2})?',
    "boolean": '"true" | "false"',
    "value": 'object | array | string | number | boolean | "null"',
    "object": f'"{{" (string {COLON} value ({COMMA} string {COLON} value)*)? "}}"',
    "array": f'"[" (value ({COMMA} value)*)? "]"',
}


def regex_grammar(regex: Regex) -> str:
    """The grammar of all texts that a pattern describes as a whole."""
    return f"root ::= {regex_expression(regex, in_json=False)}\n"


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
        parts = [literal(before), writer.expression(schema.root), literal(after)]
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
            # Words of literals too, which does no harm. Sorted: one schema is one text in every process.
            for word in sorted(set(re.findall("[a-z]+", waiting.pop()))):
                if word in SHARED and word not in used:
                    used[word] = SHARED[word]
                    waiting.append(SHARED[word])
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
                return number_expression(node)
            case String():
                return string_expression(node)
            case Values(texts):
                return choice(map(literal, texts))
            case Array():
                return self._array(node)
            case Object():
                return self._object(node)
            case Union(options):
                return choice(self.expression(option) for option in options)
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
            step = f"{first[done]} {rest}" if done == 0 else f"{COMMA} {first[done]} {rest}"
            rest = self._rule(step) if done < node.least else self._rule(f'{step} | ""')
        return f'("[" {rest} "]")'

    @staticmethod
    def _repeated(item: str, bounds: str, begins: bool) -> str:
        """So many items, each after a comma, save the first where the array begins with it."""
        if not begins:
            return f"({COMMA} {item}){{{bounds}}}"
        least, _, most = bounds.partition(",")
        more = f"{max(0, int(least) - 1)},{int(most) - 1 if most else ''}"
        some = item if most == "1" else f"({item} ({COMMA} {item}){{{more}}})"
        return some if int(least) else f"{some}?"

    def _object(self, node: Object) -> str:
        if not node.properties:
            if node.others is None:
                return '"{}"'
            pair = f"string {COLON} {self._rule(self.expression(node.others))}"
            return f'("{{" ({pair} ({COMMA} {pair})*)? "}}")'
        # `first` goes on before anything is written, `later` after a property; from the back, one rule for each.
        first = later = '""'
        for part in reversed(node.properties):
            pair = self._pair(part)
            begun, going_on = f"{pair} {later}", f"{COMMA} {pair} {later}"
            first = begun if part.required else self._rule(f"{begun} | {first}")
            later = self._rule(going_on if part.required else f"{going_on} | {later}")
        return f'("{{" {first} "}}")'

    def _pair(self, part: Property) -> str:
        name = literal(json.dumps(part.name, ensure_ascii=False))
        return self._rule(f"{name} {COLON} {self.expression(part.node)}")
