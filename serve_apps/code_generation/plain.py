"""Bounds on values and syntax trees that come from outside: all that reads them later may go down into them."""

from __future__ import annotations

import ast
from typing import Any

MOST_DEPTH = 32
MOST_DIGITS = 1000
MOST_CHARACTERS = 10_000  # of one call or one expected value
_MOST_SYNTAX_DEPTH = 64
_LARGEST = 10**MOST_DIGITS


def check_plain(value: Any) -> None:
    """Refuse what is no plain value, nests too deeply or holds a number that is too large to be written.

    Raises:
        ValueError: names the bound.
    """
    waiting = [(value, 1)]
    while waiting:
        item, depth = waiting.pop()
        if depth > MOST_DEPTH:
            raise ValueError(f"it nests more than {MOST_DEPTH} levels")
        if isinstance(item, dict):
            waiting.extend((inner, depth + 1) for pair in item.items() for inner in pair)
        elif isinstance(item, list | tuple | set):
            waiting.extend((inner, depth + 1) for inner in item)
        elif isinstance(item, int):
            if abs(item) >= _LARGEST:
                raise ValueError(f"it holds a number of more than {MOST_DIGITS} digits")
        elif item is not None and not isinstance(item, float | complex | str | bytes):
            raise ValueError(f"it holds {item!r}, which is no plain value")


def check_depth(tree: ast.AST) -> None:
    """Refuse a syntax tree that nests more deeply than people write.

    Raises:
        ValueError: names the bound.
    """
    level, depth = [tree], 0
    while level:
        depth += 1
        if depth > _MOST_SYNTAX_DEPTH:
            raise ValueError(f"it nests more than {_MOST_SYNTAX_DEPTH} levels")
        level = [child for node in level for child in ast.iter_child_nodes(node)]
