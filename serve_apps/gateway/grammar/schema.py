"""JSON schemas: the part of the language that a grammar can hold, parsed into nodes, and everything else refused.

What is refused is refused by name, so that whatever ends is valid. Only local references (`#/...`) are followed.

Does not guarantee: of properties that a schema with `properties` leaves open, none are written.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from danlu.errors import InputError
from serve_apps.gateway.grammar.regex import Pattern, parse_pattern, size

MAX_BYTES = 64 << 10
MAX_DEPTH = 32
MAX_NODES = 2000
MAX_VALUES = 1000  # of all enums together
MAX_LENGTH = 100  # minLength, maxLength
# Characters of bounded strings and patterns, written out and added up: with 150,000 tokens each takes 30 ms to compile.
MAX_WRITTEN = 300
MAX_ITEMS = 100  # minItems, maxItems
MAX_DIGITS = 15

_TYPES = ("object", "array", "string", "integer", "number", "boolean", "null")
_NOTES = frozenset(
    (
        *("title", "description", "default", "examples", "example", "$schema", "$id", "$comment", "$defs"),
        *("definitions", "deprecated", "readOnly", "writeOnly", "discriminator", "strict"),
    )
)
_KEYWORDS: Mapping[str, tuple[str, ...]] = {
    "object": ("properties", "required", "additionalProperties"),
    "array": ("items", "prefixItems", "minItems", "maxItems"),
    "string": ("pattern", "format", "minLength", "maxLength"),
    "integer": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
    "number": ("minimum", "maximum"),
    "boolean": (),
    "null": (),
}
_UNIONS = ("anyOf", "oneOf", "allOf")
# U+0000 as JSON writes it, and not the six characters behind a backslash of their own.
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
_TIME = r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,6})?"
_DATE = r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"
_BYTE = r"(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_FORMATS = {
    "date": f"^{_DATE}$",
    "time": f"^{_TIME}(Z|[+-]([01]\\d|2[0-3]):[0-5]\\d)$",
    "date-time": f"^{_DATE}T{_TIME}(Z|[+-]([01]\\d|2[0-3]):[0-5]\\d)$",
    "uuid": "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
    "email": r"^[A-Za-z0-9][A-Za-z0-9_%+-]{0,31}(\.[A-Za-z0-9_%+-]{1,16})?"
    r"@[A-Za-z0-9-]{1,24}(\.[A-Za-z0-9-]{1,24})?\.[A-Za-z]{2,12}$",
    "ipv4": f"^{_BYTE}\\.{_BYTE}\\.{_BYTE}\\.{_BYTE}$",
}


@dataclass(frozen=True)
class AnyValue:
    """Whatever JSON can say."""


@dataclass(frozen=True)
class AnyObject:
    """Any object."""


@dataclass(frozen=True)
class Boolean:
    """true or false."""


@dataclass(frozen=True)
class Number:
    """A number, with whole-numbered limits where it has any."""

    whole: bool
    least: int | None = None
    most: int | None = None


@dataclass(frozen=True)
class String:
    """A string, of a length in characters or of a pattern."""

    least: int = 0
    most: int | None = None
    pattern: Pattern | None = None


@dataclass(frozen=True)
class Values:
    """One of some values (`enum`, `const`, `null`), as JSON texts."""

    texts: tuple[str, ...]


@dataclass(frozen=True)
class Array:
    """An array: its first items, then any number of others."""

    first: tuple[Node, ...]
    rest: Node | None
    least: int
    most: int | None


@dataclass(frozen=True)
class Property:
    """A property of an object."""

    name: str
    node: Node
    required: bool


@dataclass(frozen=True)
class Object:
    """An object with named properties; `others` None forbids further ones."""

    properties: tuple[Property, ...]
    others: Node | None


@dataclass(frozen=True)
class Union:
    """One of several; `exactly` means that no two of them may fit."""

    options: tuple[Node, ...]
    exactly: bool = False


@dataclass(frozen=True)
class Reference:
    """Another place of the same schema."""

    place: str


Node = AnyValue | AnyObject | Boolean | Number | String | Values | Array | Object | Union | Reference


@dataclass(frozen=True)
class Schema:
    """A parsed schema: its root, and the places that references name."""

    root: Node
    places: Mapping[str, Node] = field(default_factory=dict)


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
    _check_ends(parsed)
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
            _fail(place, f"the schema has more than {MAX_NODES} parts")
        if depth > MAX_DEPTH:
            _fail(place, f"the schema is nested more than {MAX_DEPTH} deep")
        if schema is True:
            return AnyValue()
        if not isinstance(schema, dict):
            _fail(place, "a schema is an object" if schema is not False else "false allows nothing")
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
            _fail(place, f"$ref is {_short(target)}: only references into the schema itself (#/...) are followed")
        if target not in self._wanted:
            self._lookup(target, place)
            self._wanted.append(target)
        return Reference(target)

    def _lookup(self, target: str, place: str = "#") -> object:
        found: Any = self._schema
        for step in target.split("/")[1:]:
            key = step.replace("~1", "/").replace("~0", "~")
            if not isinstance(found, dict) or key not in found:
                _fail(place, f"$ref is {_short(target)}: there is no such place")
            found = found[key]
        return found

    def _union(self, key: str, rules: dict[str, Any], place: str, depth: int) -> Node:
        options = rules.pop(key)
        if rules.get("type") == "object" and len(rules) == 1:  # some writers repeat it beside the options
            del rules["type"]
        _nothing_beside(rules, key, place)
        if not isinstance(options, list) or not options:
            _fail(place, f"{key} has to be a list of schemas")
        if key == "allOf" and len(options) > 1:
            _fail(place, "allOf of several schemas can't be held by a grammar")
        nodes = tuple(self.node(option, f"{place}/{key}/{i}", depth + 1) for i, option in enumerate(options))
        return nodes[0] if len(nodes) == 1 else Union(nodes, exactly=key == "oneOf")

    def _fixed(self, rules: dict[str, Any], place: str) -> Node:
        values = [rules.pop("const")] if "const" in rules else rules.pop("enum")
        kinds = rules.pop("type", None)
        _nothing_beside(rules, "enum or const", place)
        if not isinstance(values, list):
            _fail(place, "enum has to be a list of values")
        if not values:
            _fail(place, "enum has to hold at least one value")
        self._values += len(values)
        if self._values > MAX_VALUES:
            _fail(place, f"the schema lists more than {MAX_VALUES} values")
        allowed = None if kinds is None else _types(kinds, place)
        fitting = [value for value in values if allowed is None or any(is_type(value, kind) for kind in allowed)]
        if not fitting:
            _fail(place, "none of the values is of the type")
        texts = tuple(dict.fromkeys(json.dumps(value, ensure_ascii=False) for value in fitting))
        if any(map(_NUL.search, texts)):
            _fail(place, "a value holds the character U+0000, which no engine writes")
        return Values(texts)

    def _typed(self, rules: dict[str, Any], place: str, depth: int) -> Node:
        kinds = _types(rules.pop("type"), place) if "type" in rules else _implied(rules)
        if not kinds and not rules:
            return AnyValue()
        known = {key for kind in kinds for key in _KEYWORDS[kind]}
        for key in rules:
            if key not in known:
                beside = f" for {' or '.join(kinds)}" if kinds else ""
                _fail(place, f"the keyword {_short(key)} is not available here{beside}")
        nodes = tuple(self._of_type(kind, rules, place, depth) for kind in kinds)
        return nodes[0] if len(nodes) == 1 else Union(nodes)

    def _of_type(self, kind: str, rules: dict[str, Any], place: str, depth: int) -> Node:
        if kind == "object":
            return self._object(rules, place, depth)
        if kind == "array":
            return self._array(rules, place, depth)
        if kind == "string":
            found = _string(rules, place)
            self._written += size(found.pattern.regex) if found.pattern else max(found.least, found.most or 0)
            if self._written > MAX_WRITTEN:
                _fail(place, f"the strings with a length or pattern take more than {MAX_WRITTEN} characters together")
            return found
        if kind in ("integer", "number"):
            return _number(kind, rules, place)
        return Boolean() if kind == "boolean" else Values(("null",))

    def _object(self, rules: dict[str, Any], place: str, depth: int) -> Node:
        properties, required = rules.get("properties", {}), rules.get("required", [])
        if not isinstance(properties, dict):
            _fail(place, "properties has to be an object of schemas")
        if any("\0" in name for name in properties):
            _fail(place, "a property's name holds the character U+0000, which no engine writes")
        if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
            _fail(place, "required has to be a list of names")
        for name in required:
            if name not in properties:
                _fail(place, f"required names {_short(name)}, which properties does not have")
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
            _fail(place, "prefixItems has to be a list of schemas")
        least, most = _bounds(rules, ("minItems", "maxItems"), MAX_ITEMS, place)
        nodes = tuple(self.node(schema, f"{place}/prefixItems/{i}", depth + 1) for i, schema in enumerate(first))
        others = None if rest is False else self.node(rest, f"{place}/items", depth + 1)
        if others is None and least > len(nodes):
            _fail(place, f"minItems is {least}, and only {len(nodes)} items are allowed")
        return Array(nodes, others, least, most)


def is_type(value: object, kind: str) -> bool:
    """Whether a JSON value is of a type, as JSON schema counts (1.0 is an integer, true is no number)."""
    if kind in ("integer", "number"):
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and (kind == "number" or value == int(value))  # type: ignore[call-overload]
    python: dict[str, type] = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}
    return isinstance(value, python[kind])


def _string(rules: dict[str, Any], place: str) -> String:
    least, most = _bounds(rules, ("minLength", "maxLength"), MAX_LENGTH, place)
    text = rules.get("pattern")
    if "format" in rules:
        if rules["format"] not in _FORMATS:
            _fail(place, f"format is {_short(rules['format'])}: known are {', '.join(_FORMATS)}")
        if text is not None:
            _fail(place, "pattern and format can't be held together")
        text = _FORMATS[rules["format"]]
    if text is None:
        return String(least, most)
    if least or most is not None:
        _fail(place, "a length beside pattern or format can't be held by a grammar")
    if not isinstance(text, str):
        _fail(place, "pattern has to be a string")
    try:
        return String(pattern=parse_pattern(text))
    except InputError as error:
        _fail(place, f"{error.what}: {error.rule}")


def _number(kind: str, rules: dict[str, Any], place: str) -> Node:
    limits: dict[str, int] = {}
    for key in _KEYWORDS["integer"]:
        if key not in rules:
            continue
        value = rules[key]
        if kind == "number" and key.startswith("exclusive"):
            _fail(place, f"{key} is not available here for number")
        if not is_type(value, "integer") or abs(value) >= 10**MAX_DIGITS:
            _fail(place, f"{key} is {_short(value)}: limits have to be whole numbers of at most {MAX_DIGITS} digits")
        limits[key] = int(value)
    lows = [limits[k] + extra for k, extra in (("minimum", 0), ("exclusiveMinimum", 1)) if k in limits]
    highs = [limits[k] - extra for k, extra in (("maximum", 0), ("exclusiveMaximum", 1)) if k in limits]
    least, most = max(lows, default=None), min(highs, default=None)
    if least is not None and most is not None and least > most:
        _fail(place, f"there is no {kind} from {least} to {most}")
    return Number(kind == "integer", least, most)


def _bounds(rules: dict[str, Any], keys: tuple[str, str], limit: int, place: str) -> tuple[int, int | None]:
    for key in keys:
        value = rules.get(key, 0)
        if not is_type(value, "integer") or not 0 <= value <= limit:
            _fail(place, f"{key} is {_short(value)}: it has to lie between 0 and {limit}")
    least = int(rules.get(keys[0], 0))
    most = int(rules[keys[1]]) if keys[1] in rules else None
    if most is not None and least > most:
        _fail(place, f"{keys[0]} is {least} and {keys[1]} is {most}")
    return least, most


def _types(kinds: object, place: str) -> tuple[str, ...]:
    found = [kinds] if isinstance(kinds, str) else kinds
    if not isinstance(found, list) or not found or not all(kind in _TYPES for kind in found):
        _fail(place, f"type is {_short(kinds)}: known are {', '.join(_TYPES)}")
    return tuple(dict.fromkeys(found))


def _implied(rules: dict[str, Any]) -> tuple[str, ...]:
    """The type that keywords without a `type` speak of; the schema's author meant that one."""
    for kind in ("object", "array", "string", "number"):
        if any(key in rules for key in _KEYWORDS[kind]):
            return (kind,)
    return ()


def _nothing_beside(rules: dict[str, Any], key: str, place: str) -> None:
    if rules:
        _fail(place, f"{_short(next(iter(rules)))} stands beside {key}, which a grammar can't hold")


def _check_ends(schema: Schema) -> None:
    """Refuse references that only lead back to themselves, and values that could never be complete."""
    ending: set[str] = set()
    while True:
        more = {place for place, node in schema.places.items() if place not in ending and _can_end(node, ending)}
        if not more:
            break
        ending |= more
    if not _can_end(schema.root, ending):
        _fail("#", "no value can be complete: every one has to hold another one")
    for place in schema.places:
        if place not in ending:
            _fail(place, "no value can be complete: every one has to hold another one")
        _check_guarded(place, schema)


def _can_end(node: Node, ending: set[str]) -> bool:
    match node:
        case Reference(place):
            return place in ending
        case Union(options):
            return any(_can_end(option, ending) for option in options)
        case Object(properties):
            return all(_can_end(part.node, ending) for part in properties if part.required)
        case Array(first, rest, least):
            needed = first[:least] if rest is None else (*first[:least], *([rest] if least > len(first) else []))
            return all(_can_end(part, ending) for part in needed)
        case _:
            return True


def _check_guarded(start: str, schema: Schema) -> None:
    """A place must not be its own first step: the grammar would go round in circles without a character."""
    waiting, seen = [schema.places[start]], set()
    while waiting:
        node = waiting.pop()
        if isinstance(node, Union):
            waiting.extend(node.options)
        if isinstance(node, Reference):
            if node.place == start:
                _fail(start, "the reference leads back to itself")
            if node.place not in seen:
                seen.add(node.place)
                waiting.append(schema.places[node.place])


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _fail(place: str, why: str) -> NoReturn:
    # Both ends say more of a deep place than its middle.
    shown = place if len(place) <= 120 else f"{place[:60]}...{place[-57:]}"
    raise InputError(f"JSON schema at {shown}", rule=why)
