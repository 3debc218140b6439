"""Strings, numbers and lengths of JSON schemas, and what types their values have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from danlu.errors import InputError
from serve_apps.gateway.grammar.nodes import Node, Number, String
from serve_apps.gateway.grammar.pattern import parse_pattern
from serve_apps.gateway.grammar.refusals import refuse, shortened

MAX_LENGTH = 100  # minLength, maxLength
MAX_DIGITS = 15
KEYWORDS: Mapping[str, tuple[str, ...]] = {
    "object": ("properties", "required", "additionalProperties"),
    "array": ("items", "prefixItems", "minItems", "maxItems"),
    "string": ("pattern", "format", "minLength", "maxLength"),
    "integer": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
    "number": ("minimum", "maximum"),
    "boolean": (),
    "null": (),
}
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


def is_type(value: object, kind: str) -> bool:
    """Whether a JSON value is of a type, as JSON schema counts (1.0 is an integer, true is no number)."""
    if kind in ("integer", "number"):
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and (kind == "number" or value == int(value))  # type: ignore[call-overload]
    python: dict[str, type] = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}
    return isinstance(value, python[kind])


def string_node(rules: dict[str, Any], place: str) -> String:
    """The string that the keywords for strings describe."""
    least, most = bounds(rules, ("minLength", "maxLength"), MAX_LENGTH, place)
    text = rules.get("pattern")
    if "format" in rules:
        if rules["format"] not in _FORMATS:
            refuse(place, f"format is {shortened(rules['format'])}: known are {', '.join(_FORMATS)}")
        if text is not None:
            refuse(place, "pattern and format can't be held together")
        text = _FORMATS[rules["format"]]
    if text is None:
        return String(least, most)
    if least or most is not None:
        refuse(place, "a length beside pattern or format can't be held by a grammar")
    if not isinstance(text, str):
        refuse(place, "pattern has to be a string")
    try:
        return String(pattern=parse_pattern(text))
    except InputError as error:
        refuse(place, f"{error.what}: {error.rule}")


def number_node(kind: str, rules: dict[str, Any], place: str) -> Node:
    """The number that the keywords for numbers describe; `kind` is integer or number."""
    limits: dict[str, int] = {}
    for key in KEYWORDS["integer"]:
        if key not in rules:
            continue
        value = rules[key]
        if kind == "number" and key.startswith("exclusive"):
            refuse(place, f"{key} is not available here for number")
        if not is_type(value, "integer") or abs(value) >= 10**MAX_DIGITS:
            refuse(
                place, f"{key} is {shortened(value)}: limits have to be whole numbers of at most {MAX_DIGITS} digits"
            )
        limits[key] = int(value)
    lows = [limits[k] + extra for k, extra in (("minimum", 0), ("exclusiveMinimum", 1)) if k in limits]
    highs = [limits[k] - extra for k, extra in (("maximum", 0), ("exclusiveMaximum", 1)) if k in limits]
    least, most = max(lows, default=None), min(highs, default=None)
    if least is not None and most is not None and least > most:
        refuse(place, f"there is no {kind} from {least} to {most}")
    return Number(kind == "integer", least, most)


def bounds(rules: dict[str, Any], keys: tuple[str, str], limit: int, place: str) -> tuple[int, int | None]:
    """The least and most of a pair of keywords, between 0 and `limit`."""
    for key in keys:
        value = rules.get(key, 0)
        if not is_type(value, "integer") or not 0 <= value <= limit:
            refuse(place, f"{key} is {shortened(value)}: it has to lie between 0 and {limit}")
    least = int(rules.get(keys[0], 0))
    most = int(rules[keys[1]]) if keys[1] in rules else None
    if most is not None and least > most:
        refuse(place, f"{keys[0]} is {least} and {keys[1]} is {most}")
    return least, most
