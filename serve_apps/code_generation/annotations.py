"""Annotations as kinds of values: what a template's parameter takes, and what an annotated argument will be."""

from __future__ import annotations

import ast
from typing import Any

from serve_apps.code_generation.kinds import kinds_of

# The narrowest kind that a parameter with this annotation asks for.
_WANTED = {
    "int": "int",
    "float": "num",
    "str": "str",
    "bool": "bool",
    "list": "seq",
    "tuple": "seq",
    "dict": "dict",
    "set": "iter",
    "object": "any",
    "Any": "any",
    "list[int]": "ints",
    "list[float]": "nums",
    "list[str]": "strs",
    "list[list]": "rows",
    "list[list[int]]": "grids",
    "list[list[float]]": "grids",
    "list[list[str]]": "rows",
    "list[tuple]": "pairs",
    "list[dict]": "records",
}
_SAMPLES: dict[str, Any] = {"int": 1, "float": 1.5, "str": "a", "bool": True, "list": [], "tuple": (), "dict": {}}
_SAMPLES |= {"set": set(), "List": [], "Tuple": (), "Dict": {}, "Set": set(), "None": None}


def wanted_kind(annotation: str) -> str:
    """The kind that an argument must have for a parameter annotated so; `any` when nothing is known."""
    return _WANTED.get(annotation, _WANTED.get(annotation.partition("[")[0], "any"))


def kinds_of_annotation(annotation: str) -> frozenset[str] | None:
    """The kinds of the values that an annotation allows, or None when it does not say."""
    try:
        return kinds_of(_sample(ast.parse(annotation, mode="eval").body)) if annotation else None
    except (SyntaxError, KeyError, TypeError):  # a TypeError: set[dict] and the like have no values
        return None


def _sample(node: ast.expr) -> Any:
    """A value of the annotated type, with one item in each collection."""
    if isinstance(node, ast.Subscript):
        outer = _sample(node.value)
        inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        items = [_sample(part) for part in inner if not (isinstance(part, ast.Constant) and part.value is ...)]
        if not items or not isinstance(outer, list | tuple | set | dict):
            raise KeyError(ast.unparse(node))
        if isinstance(outer, dict):
            return {0: items[-1]}
        return type(outer)(_hashable(item) for item in items) if isinstance(outer, set) else type(outer)(items)
    if isinstance(node, ast.Attribute):
        return _SAMPLES[node.attr]
    if isinstance(node, ast.Constant) and node.value is None:
        return None
    return _SAMPLES[ast.unparse(node)]


def _hashable(item: Any) -> Any:
    return tuple(_hashable(inner) for inner in item) if isinstance(item, list | set | tuple) else item
