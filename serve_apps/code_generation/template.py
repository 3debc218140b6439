"""Templates: general algorithms as plain functions, with words in two languages to find them by."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def template(chinese: str, words: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Mark a function as a template; the first line of its docstring is its English name.

    The function stays what it is: the catalogue reads the mark from the source.

    Args:
        chinese: what it does, in Chinese.
        words: further words, English and Chinese, that a requirement may use for it.
    """

    def unchanged(function: Callable[P, R]) -> Callable[P, R]:
        return function

    return unchanged
