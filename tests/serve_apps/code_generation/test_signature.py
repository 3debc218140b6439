"""Signatures as users write them."""

from __future__ import annotations

import pytest

from serve_apps.code_generation.signature import find_signature, parse_signature


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("def f(a: int, b: list[str]) -> bool:", "def f(a: int, b: list[str]) -> bool"),
        ("f(a, b)", "def f(a, b)"),
        ("f(a: int) -> str", "def f(a: int) -> str"),
        ("  def f():", "def f()"),
        ("f", "def f()"),
        ("def f(a, /, b, *, c)", "def f(a, /, b, *, c)"),
        ("f(a, b: int = 2, *, c: str = 'x', d) -> int", "def f(a, b: int=2, *, c: str='x', d) -> int"),
        ("f(a=1, /, b=[], *, c=None)", "def f(a=1, /, b=[], *, c=None)"),
    ],
)
def test_what_is_a_signature(text: str, written: str) -> None:
    assert str(parse_signature(text)) == written


@pytest.mark.parametrize(
    "text", ["", "def", "1 + 1", "def f(*args)", "def f(**kw)", "class A", "f(a): import os", "lambda", "f(a, a)"]
)
def test_what_is_none(text: str) -> None:
    with pytest.raises(ValueError):
        parse_signature(text)


def test_the_last_definition_of_a_text_is_the_wanted_one() -> None:
    text = (
        "from typing import List\n\ndef helper(x):\n    return x\n\n\ndef wanted(a: int,\n           b: str) -> bool:\n"
    )
    assert str(find_signature(text)) == "def wanted(a: int, b: str) -> bool"


def test_signatures_of_other_functions_do_not_count() -> None:
    text = "def wanted(a):\n    ...\ndef other(b):\n    ...\n 用 add(x, y) 求和"
    assert str(find_signature(text, "wanted")) == "def wanted(a)"
    assert str(find_signature(text, "add")) == "def add(x, y)"
    assert find_signature(text, "nobody") is None


def test_a_call_with_plain_names_is_a_signature_too() -> None:
    assert str(find_signature("编写函数 sum_even(numbers)，求偶数之和")) == "def sum_even(numbers)"
    assert str(find_signature("编写函数add(a, b)求和")) == "def add(a, b)"
    assert find_signature("例如 f([1, 2]) 返回 3") is None
    assert find_signature("求和") is None
