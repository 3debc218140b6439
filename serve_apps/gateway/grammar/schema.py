"""JSON schemas: the part of the language that a grammar can hold, parsed into nodes, and everything else refused.

What is refused is refused by name, so that whatever ends is valid. Only local references (`#/...`) are followed.

Does not guarantee: of properties that a schema with `properties` leaves open, none are written.
"""

from __future__ import annotations

import json
import re
from typing import Any

from danlu.errors import InputError
from serve_apps.gateway.grammar.endings import check_ends
from serve_apps.gateway.grammar.nodes import (
    AnyObject,
    AnyValue,
    Array,
    Boolean,
    Node,
    Object,
    Property,
    Reference,
    Schema,
    Union,
    Values,
)
from serve_apps.gateway.grammar.pattern import size
from serve_apps.gateway.grammar.refusals import refuse, shortened
from serve_apps.gateway.grammar.scalars import KEYWORDS, bounds, is_type, number_node, string_node

MAX_BYTES = 64 << 10
MAX_DEPTH = 32
MAX_NODES = 2000
MAX_VALUES = 1000  # of all enums together
# Characters of bounded strings and patterns, written out and added up: with 150,000 tokens each takes 30 ms to compile.
MAX_WRITTEN = 300
MAX_ITEMS = 100  # minItems, maxItems
_TYPES = ("object", "array", "string", "integer", "number", "boolean", "null")
_NOTES = frozenset(
    (
        *("title", "description", "default", "examples", "example", "$schema", "$id", "$comment", "$defs"),
        *("definitions", "deprecated", "readOnly", "writeOnly", "discriminator", "strict"),
    )
)
_UNIONS = ("anyOf", "oneOf", "allOf")
# U+0000 as JSON writes it, and not the six characters behind a backslash of their own.
NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


def parse_schema(schema: object) -> Schema:
    """Parse a JSON schema.

    Raises:
        InputError: it is too large, no schema, or asks for what a grammar can't hold; names the place.
    """
    try:
        count = len(json.dumps(schema, ensure_ascii=False, allow_nan=False).encode())
    except UnicodeEncodeError:
        raise InputError("the JSON schema", rule="it holds half a surrogate pair, which is no character") from None
    except ValueError:
        raise InputError("the JSON schema", rule="it holds a number that is none (NaN) or infinite") from None
    if count > MAX_BYTES:
        raise InputError(f"the JSON schema has {count} bytes", rule=f"at most {MAX_BYTES} are allowed")
    parser = _Parser(schema)
    parsed = Schema(parser.node(schema, "#", 0), parser.places())
    check_ends(parsed)
    return parsed


class _Parser:
    def __init__(self, schema: object) -> None:
        self._schema = schema
        self._wanted: list[str] = []
        self._nodes = 0
        self._values = 0
        self._written = 0

    def places(self) -> dict[str, Node]:
        """Every place that a reference names, parsed; the list grows while it is worked through."""
        found: dict[str, Node] = {}
        for place in self._wanted:
            if place not in found:
                found[place] = self.node(self._lookup(place), place, 0)
        return found

    def node(self, schema: object, place: str, depth: int) -> Node:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            refuse(place, f"the schema has more than {MAX_NODES} parts")
        if depth > MAX_DEPTH:
            refuse(place, f"the schema is nested more than {MAX_DEPTH} deep")
        if schema is True:
            return AnyValue()
        if not isinstance(schema, dict):
            refuse(place, "a schema is an object" if schema is not False else "false allows nothing")
        rules = {key: value for key, value in schema.items() if key not in _NOTES}
        if "$ref" in rules:
            return self._reference(rules, place)
        for key in _UNIONS:
            if key in rules:
                return self._union(key, rules, place, depth)
        if "enum" in rules or "const" in rules:
            return self._fixed(rules, place)
        return self._typed(rules, place, depth)

    def _reference(self, rules: dict[str, Any], place: str) -> Node:
        target = rules.pop("$ref")
        _nothing_beside(rules, "$ref", place)
        if not isinstance(target, str) or not (target == "#" or target.startswith("#/")):
            refuse(place, f"$ref is {shortened(target)}: only references into the schema itself (#/...) are followed")
        if target not in self._wanted:
            self._lookup(target, place)
            self._wanted.append(target)
        return Reference(target)

    def _lookup(self, target: str, place: str = "#") -> object:
        found: Any = self._schema
        for step in target.split("/")[1:]:
            key = step.replace("~1", "/").replace("~0", "~")
            if not isinstance(found, dict) or key not in found:
                refuse(place, f"$ref is {shortened(target)}: there is no such place")
            found = found[key]
        return found

    def _union(self, key: str, rules: dict[str, Any], place: str, depth: int) -> Node:
        options = rules.pop(key)
        if rules.get("type") == "object" and len(rules) == 1:  # some writers repeat it beside the options
            del rules["type"]
        _nothing_beside(rules, key, place)
        if not isinstance(options, list) or not options:
            refuse(place, f"{key} has to be a list of schemas")
        if key == "allOf" and len(options) > 1:
            refuse(place, "allOf of several schemas can't be held by a grammar")
        nodes = tuple(self.node(option, f"{place}/{key}/{i}", depth + 1) for i, option in enumerate(options))
        return nodes[0] if len(nodes) == 1 else Union(nodes, exactly=key == "oneOf")

    def _fixed(self, rules: dict[str, Any], place: str) -> Node:
        values = [rules.pop("const")] if "const" in rules else rules.pop("enum")
        kinds = rules.pop("type", None)
        _nothing_beside(rules, "enum or const", place)
        if not isinstance(values, list):
            refuse(place, "enum has to be a list of values")
        if not values:
            refuse(place, "enum has to hold at least one value")
        self._values += len(values)
        if self._values > MAX_VALUES:
            refuse(place, f"the schema lists more than {MAX_VALUES} values")
        allowed = None if kinds is None else _types(kinds, place)
        fitting = [value for value in values if allowed is None or any(is_type(value, kind) for kind in allowed)]
        if not fitting:
            refuse(place, "none of the values is of the type")
        texts = tuple(dict.fromkeys(json.dumps(value, ensure_ascii=False) for value in fitting))
        if any(map(NUL.search, texts)):
            refuse(place, "a value holds the character U+0000, which no engine writes")
        return Values(texts)

    def _typed(self, rules: dict[str, Any], place: str, depth: int) -> Node:
        kinds = _types(rules.pop("type"), place) if "type" in rules else _implied(rules)
        if not kinds and not rules:
            return AnyValue()
        known = {key for kind in kinds for key in KEYWORDS[kind]}
        for key in rules:
            if key not in known:
                beside = f" for {' or '.join(kinds)}" if kinds else ""
                refuse(place, f"the keyword {shortened(key)} is not available here{beside}")
        nodes = tuple(self._of_type(kind, rules, place, depth) for kind in kinds)
        return nodes[0] if len(nodes) == 1 else Union(nodes)

    def _of_type(self, kind: str, rules: dict[str, Any], place: str, depth: int) -> Node:
        if kind == "object":
            return self._object(rules, place, depth)
        if kind == "array":
            return self._array(rules, place, depth)
        if kind == "string":
            found = string_node(rules, place)
            self._written += size(found.pattern.regex) if found.pattern else max(found.least, found.most or 0)
            if self._written > MAX_WRITTEN:
                refuse(place, f"the strings with a length or pattern take more than {MAX_WRITTEN} characters together")
            return found
        if kind in ("integer", "number"):
            return number_node(kind, rules, place)
        return Boolean() if kind == "boolean" else Values(("null",))

    def _object(self, rules: dict[str, Any], place: str, depth: int) -> Node:
        properties, required = rules.get("properties", {}), rules.get("required", [])
        if not isinstance(properties, dict):
            refuse(place, "properties has to be an object of schemas")
        if any("\0" in name for name in properties):
            refuse(place, "a property's name holds the character U+0000, which no engine writes")
        if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
            refuse(place, "required has to be a list of names")
        for name in required:
            if name not in properties:
                refuse(place, f"required names {shortened(name)}, which properties does not have")
        found = tuple(
            Property(name, self.node(schema, f"{place}/properties/{name}"[:200], depth + 1), name in required)
            for name, schema in properties.items()
        )
        others = rules.get("additionalProperties", True)
        if others is True and not found:
            return AnyObject()
        return Object(found, None if others is False else self.node(others, f"{place}/additionalProperties", depth + 1))

    def _array(self, rules: dict[str, Any], place: str, depth: int) -> Node:
        first, rest = rules.get("prefixItems", []), rules.get("items", True)
        if not isinstance(first, list):
            refuse(place, "prefixItems has to be a list of schemas")
        least, most = bounds(rules, ("minItems", "maxItems"), MAX_ITEMS, place)
        nodes = tuple(self.node(schema, f"{place}/prefixItems/{i}", depth + 1) for i, schema in enumerate(first))
        others = None if rest is False else self.node(rest, f"{place}/items", depth + 1)
        if others is None and least > len(nodes):
            refuse(place, f"minItems is {least}, and only {len(nodes)} items are allowed")
        return Array(nodes, others, least, most)


def _types(kinds: object, place: str) -> tuple[str, ...]:
    found = [kinds] if isinstance(kinds, str) else kinds
    if not isinstance(found, list) or not found or not all(kind in _TYPES for kind in found):
        refuse(place, f"type is {shortened(kinds)}: known are {', '.join(_TYPES)}")
    return tuple(dict.fromkeys(found))


def _implied(rules: dict[str, Any]) -> tuple[str, ...]:
    """The type that keywords without a `type` speak of; the schema's author meant that one."""
    for kind in ("object", "array", "string", "number"):
        if any(key in rules for key in KEYWORDS[kind]):
            return (kind,)
    return ()


def _nothing_beside(rules: dict[str, Any], key: str, place: str) -> None:
    if rules:
        refuse(place, f"{shortened(next(iter(rules)))} stands beside {key}, which a grammar can't hold")
