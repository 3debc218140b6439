"""Whether a JSON value fits a parsed schema."""

from __future__ import annotations

import json
from typing import Any

from serve_apps.gateway.grammar.nodes import (
    AnyObject,
    AnyValue,
    Array,
    Boolean,
    Node,
    Number,
    Object,
    Reference,
    Schema,
    String,
    Union,
    Values,
)
from serve_apps.gateway.grammar.scalars import is_type


def fits(value: Any, schema: Schema) -> bool:
    """Whether `value`, as `json.loads` gives it, is what the schema describes."""
    return _Check(schema).fits(value, schema.root)


def text_fits(text: str, schema: Schema) -> bool:
    """Whether `text` is JSON of the schema."""
    try:
        return fits(json.loads(text), schema)
    except (ValueError, RecursionError):
        return False


class _Check:
    """One value against one schema. What was found out is kept: options that refer to each other would otherwise be
    gone through again for every level of the value, twice as often for each."""

    def __init__(self, schema: Schema) -> None:
        self._places = schema.places
        self._known: dict[tuple[int, str], bool] = {}

    def fits(self, value: Any, node: Node) -> bool:
        match node:
            case AnyValue():
                return True
            case AnyObject():
                return isinstance(value, dict)
            case Boolean():
                return isinstance(value, bool)
            case Number(whole, least, most):
                if not is_type(value, "integer" if whole else "number"):
                    return False
                return (least is None or value >= least) and (most is None or value <= most)
            case String(least, most, pattern):
                if not isinstance(value, str) or len(value) < least or (most is not None and len(value) > most):
                    return False
                return pattern is None or pattern.fits(value)
            case Values(texts):
                return any(_same(value, json.loads(text)) for text in texts)
            case Array():
                return isinstance(value, list) and self._array(value, node)
            case Object():
                return isinstance(value, dict) and self._object(value, node)
            case Union(options, exactly):
                if exactly:
                    return sum(self.fits(value, option) for option in options) == 1
                return any(self.fits(value, option) for option in options)
            case Reference(place):
                return self._reference(value, place)

    def _reference(self, value: Any, place: str) -> bool:
        key = (id(value), place)  # every value lives as long as the whole one
        if key not in self._known:
            self._known[key] = self.fits(value, self._places[place])
        return self._known[key]

    def _array(self, value: list[Any], node: Array) -> bool:
        if len(value) < node.least or (node.most is not None and len(value) > node.most):
            return False
        if node.rest is None and len(value) > len(node.first):
            return False
        nodes = [*node.first, *[node.rest] * (len(value) - len(node.first))]
        return all(
            part is not None and self.fits(item, part) for item, part in zip(value, nodes[: len(value)], strict=True)
        )

    def _object(self, value: dict[str, Any], node: Object) -> bool:
        named = {part.name: part for part in node.properties}
        if any(part.required and part.name not in value for part in node.properties):
            return False
        for name, item in value.items():
            expected = named[name].node if name in named else node.others
            if expected is None or not self.fits(item, expected):
                return False
        return True


def _same(one: Any, other: Any) -> bool:
    """Equality that keeps true and 1 apart."""
    if isinstance(one, bool) != isinstance(other, bool):
        return False
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)
