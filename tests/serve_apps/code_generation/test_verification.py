"""What is checked before code is believed."""

from __future__ import annotations

import ast
import asyncio

import pytest

from actors.sandbox import Sandbox
from serve_apps.code_generation.examples import parse_example
from serve_apps.code_generation.requirement import read_requirement
from serve_apps.code_generation.signature import parse_signature
from serve_apps.code_generation.verification import Verdict, undefined_names, verify


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    return Sandbox()


def check(code: str, sandbox: Sandbox, examples: bool = True) -> Verdict:
    given = [parse_example("f(2)", 4), parse_example("f(3)", 9)] if examples else []
    return asyncio.run(verify(code, read_requirement("square", parse_signature("f(n)"), given), sandbox))


def test_right_code_passes_and_names_the_isolation(sandbox: Sandbox) -> None:
    verdict = check("def f(n):\n    return n * n\n", sandbox)
    assert verdict.passed and [c.name for c in verdict.checks] == ["syntax", "names", "examples"]
    assert verdict.checks[-1].detail == f"2 of 2 hold (sandbox: {sandbox.level})"


@pytest.mark.parametrize(
    ("code", "name", "detail"),
    [
        ("def f(n:\n", "syntax", "does not parse"),
        ("def f(n):\n    return '\0'", "syntax", "does not parse"),
        ("def g(n):\n    return n\n", "names", "defines no function f"),
        ("def f():\n    return 1\n", "names", "takes 0 parameters, the wanted function 1"),
        ("def f(n):\n    return sqr(n)\n", "names", "nothing defines sqr"),
        ("def f(n):\n    return n + 2\n", "examples", "1 of 2 hold"),
        ("def f(n):\n    return n + 2\n", "examples", "f(3) gave 5, expected 9"),
        ("def f(n):\n    return n / 0\n", "examples", "f(2) failed: ZeroDivisionError"),
        ("import os\ndef f(n):\n    os._exit(0)\n", "examples", "ended before it returned"),
    ],
)
def test_wrong_code_says_what_is_wrong(sandbox: Sandbox, code: str, name: str, detail: str) -> None:
    verdict = check(code, sandbox)
    failed = next(c for c in verdict.checks if not c.passed)
    assert not verdict.passed and failed.name == name and detail in verdict.problem


def test_parameters_that_are_passed_by_name_count_too(sandbox: Sandbox) -> None:
    wanted = parse_signature("f(n, *, k=3)")
    read = read_requirement("x", wanted, [parse_example("f(2, k=2)", 4), parse_example("f(2)", 6)])
    for code in ("def f(n, *, k=3):\n    return n * k\n", "def f(n, k=3):\n    return n * k\n"):
        assert asyncio.run(verify(code, read, sandbox)).passed
    verdict = asyncio.run(verify("def f(n, *, k, m):\n    return n\n", read, sandbox))
    assert "takes 3 parameters, the wanted function 2" in verdict.problem


def test_without_examples_code_is_not_called_right(sandbox: Sandbox) -> None:
    verdict = check("def f(n):\n    return n * n\n", sandbox, examples=False)
    assert not verdict.passed and verdict.problem == "not checked: the request has no examples"


@pytest.mark.parametrize(
    ("code", "unknown"),
    [
        ("import os.path as p, re\nfrom math import pi as q\nx = p, re, q, len", []),
        ("def f(a, *b, c=1, **d):\n    return a, b, c, d, e\n", ["e"]),
        ("class A:\n    pass\nA, B", ["B"]),
        ("try:\n    pass\nexcept ValueError as e:\n    e", []),
        ("[x for x in y]; (z := 1); z", ["y"]),
        ("match 1:\n    case [a, *b]:\n        a, b\n", []),
        ("lambda k: k + m", ["m"]),
    ],
)
def test_names_that_nothing_defines(code: str, unknown: list[str]) -> None:
    assert undefined_names(ast.parse(code)) == unknown
