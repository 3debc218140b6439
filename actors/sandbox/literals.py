"""Python values as text: reading literals without running anything, and comparing values."""

from __future__ import annotations

import ast
import math
from typing import Any

RELATIVE_TOLERANCE = 1e-6
ABSOLUTE_TOLERANCE = 1e-9
_NAMED = {"inf": math.inf, "nan": math.nan}


class _NamedFloats(ast.NodeTransformer):
    """`repr` writes infinities and NaN as names, and empty sets as calls; literals have neither."""

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return ast.Constant(_NAMED[node.id]) if node.id in _NAMED else node

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        is_frozenset = isinstance(node.func, ast.Name) and node.func.id == "frozenset" and not node.keywords
        if is_frozenset and len(node.args) <= 1:
            return node.args[0] if node.args else ast.Call(ast.Name("set", ast.Load()), [], [])
        return node


def parse_literal(text: str) -> Any:
    """The value that a Python literal stands for; a frozenset reads as a set.

    Raises:
        ValueError: the text is no literal.
    """
    try:
        return literal_value(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise ValueError(f"{_shorten(text)} is no Python literal") from None


def literal_value(node: ast.expr) -> Any:
    """The value of a literal that is parsed already; the tree may be changed.

    Raises:
        ValueError: it is no literal.
    """
    try:
        return ast.literal_eval(_NamedFloats().visit(node))
    except (ValueError, TypeError, MemoryError, RecursionError):
        raise ValueError("it is no Python literal") from None


def equal(actual: Any, expected: Any) -> bool:
    """Whether two plain values are equal as Python's `==` says, but floats within 1e-6 and booleans only to booleans.

    `1 == 1.0` holds; `[1] == (1,)` and `1 == True` do not; NaN equals NaN.
    """
    if isinstance(actual, bool) or isinstance(expected, bool):
        return actual is expected
    if isinstance(actual, int | float) and isinstance(expected, int | float):
        return _close(actual, expected)
    if isinstance(expected, list | tuple):
        same_kind = type(actual) is type(expected) and len(actual) == len(expected)
        return same_kind and all(equal(a, e) for a, e in zip(actual, expected, strict=True))
    if isinstance(expected, dict):
        same_keys = isinstance(actual, dict) and actual.keys() == expected.keys()
        return same_keys and all(equal(actual[key], value) for key, value in expected.items())
    return bool(actual == expected)


def _close(actual: float, expected: float) -> bool:
    if isinstance(actual, int) and isinstance(expected, int):
        return actual == expected
    try:
        both_nan = math.isnan(actual) and math.isnan(expected)
        return both_nan or math.isclose(actual, expected, rel_tol=RELATIVE_TOLERANCE, abs_tol=ABSOLUTE_TOLERANCE)
    except OverflowError:  # an integer beyond the range of floats is close to no float
        return False


def _shorten(text: str) -> str:
    return repr(text if len(text) <= 80 else f"{text[:77]}...")
