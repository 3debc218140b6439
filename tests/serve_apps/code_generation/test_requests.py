"""The request body: every error names its field."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from serve_apps.code_generation.plan import make_plan
from serve_apps.code_generation.requests import SolutionRequest
from serve_apps.code_generation.requirement import read_requirement
from serve_apps.gateway.errors import ApiError, from_validation

NESTED: list[object] = []
for _ in range(800):  # as deep as JSON may be
    NESTED = [NESTED]


def refused(**body: object) -> tuple[str | None, str]:
    """(param, message) of the 400 that a body gets, in whichever of the two steps of reading it."""
    try:
        with pytest.raises(ApiError) as caught:
            SolutionRequest.model_validate(body).requirement()
        error = caught.value
    except ValidationError as invalid:
        problems = [{**problem, "loc": ("body", *problem["loc"])} for problem in invalid.errors()]
        error = from_validation(problems)
    assert error.status == 400
    return error.param, error.message


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "task"),
        ({"task": ""}, "task"),
        ({"task": 5}, "task"),
        ({"task": "x", "language": "java"}, "language"),
        ({"task": "x", "signature": "def f("}, "signature"),
        ({"task": "x", "examples": [{"call": "f(y)", "expected": 1}]}, "examples.0.call"),
        ({"task": "x", "examples": [{"call": "f(1)", "expected": "abc"}]}, "examples.0.expected"),
        ({"task": "x", "examples": [{"call": "f(1)"}]}, "examples.0.expected"),
        ({"task": "x", "tests": []}, "tests"),
        ({"task": "x", "signature": "f(a: " + "-" * 1900 + "1)"}, "signature"),
        ({"task": "x", "signature": "f(a=" + "[" * 900 + "]" * 900 + ")"}, "signature"),
        ({"task": "x", "signature": "f(a=" + "-" * 70 + "1)"}, "signature"),
        ({"task": "x", "signature": "f(a=0x" + "f" * 1900 + ", a=1)"}, "signature"),
        ({"task": "x", "signature": "f(" + "a, " * 1000 + "b)"}, "signature"),
        ({"task": "x", "signature": "f(a, a)"}, "signature"),
        ({"task": "\ud800 求和"}, "task"),
        ({"task": "x", "examples": [{"call": "f(" + "-" * 9000 + "1)", "expected": 1}]}, "examples.0.call"),
        ({"task": "x", "examples": [{"call": "f(" + "[" * 40 + "]" * 40 + ")", "expected": 1}]}, "examples.0.call"),
        ({"task": "x", "examples": [{"call": "f(" + "9" * 4500 + ")", "expected": 1}]}, "examples.0.call"),
        ({"task": "x", "examples": [{"call": "f(0x" + "f" * 4000 + ")", "expected": 1}]}, "examples.0.call"),
        ({"task": "x", "examples": [{"call": "f(" + "1, " * 4000 + ")", "expected": 1}]}, "examples.0.call"),
        ({"task": "x", "examples": [{"call": "f(...)", "expected": 1}]}, "examples.0.call"),
        ({"task": "x", "examples": [{"call": "f(a=1, a=2)", "expected": 1}]}, "examples.0.call"),
        ({"task": "x", "examples": [{"call": "f(1)", "expected": NESTED}]}, "examples.0.expected"),
        ({"task": "x", "examples": [{"call": "f(1)", "expected": "[" * 40 + "]" * 40}]}, "examples.0.expected"),
        ({"task": "x", "examples": [{"call": "f(1)", "expected": "0x" + "f" * 4000}]}, "examples.0.expected"),
        ({"task": "x", "examples": [{"call": "f(1)", "expected": {"a": 10**1000}}]}, "examples.0.expected"),
        ({"task": "x", "examples": [{"call": "f(1)", "expected": "[..." + "]"}]}, "examples.0.expected"),
    ],
)
def test_what_is_wrong_is_named(body: dict[str, object], param: str) -> None:
    assert refused(**body)[0] == param


def test_a_string_without_quotes_gets_advice() -> None:
    _, message = refused(task="x", examples=[{"call": "f(1)", "expected": "abc"}])
    assert "write a string with its quotes" in message


def test_examples_of_another_function_are_refused() -> None:
    body = SolutionRequest(task="x", signature="f(a)", examples=[{"call": "g(1)", "expected": 1}])
    with pytest.raises(ApiError) as caught:
        body.requirement()
    assert caught.value.param == "examples.0.call" and "the function is f" in caught.value.message


def test_a_blank_task_is_refused() -> None:
    with pytest.raises(ApiError, match="blank"):
        SolutionRequest(task="  \n").requirement()


def test_a_request_becomes_a_requirement() -> None:
    body = SolutionRequest(
        task="求和", signature="def f(a: list[int]) -> int", examples=[{"call": "f([1])", "expected": "1"}]
    )
    read = body.requirement()
    assert str(read.signature) == "def f(a: list[int]) -> int" and read.examples[0].expected == 1


@pytest.mark.parametrize(
    "task",
    [
        "add(1, 2) 返回 3，sub(3, 1) 返回 2",  # two functions
        "大于１００的数，９".ljust(30) + "9" * 4500,
        "求和 " + "0x" + "f" * 4000,
        "def f(a: set[dict[str, int]], b: int[str], c: dict[()], d: list[...]) -> tuple[()]:",
        "例如 f(" + "-" * 5000 + "1) 返回 2",
        "例如 f(" + "[" * 300 + "]" * 300 + ") 返回 2。def g(a: " + "(" * 300 + ")" * 300 + "): ...",
        "例如 f(1) 返回 0x" + "f" * 1990,
    ],
)
def test_no_text_of_a_task_is_an_error(task: str) -> None:
    requirement = SolutionRequest(task=task).requirement()
    assert all(requirement.argument_kinds(place) is not None for place in range(len(requirement.signature.parameters)))
    assert make_plan(requirement).steps
    assert len({example.function for example in requirement.examples}) <= 1


@given(st.text(alphabet="f(a[]{}'\"=:，,-> 0x1９。\\返回输入出：如\ndef ", max_size=80))
def test_any_text_of_a_task_is_read(task: str) -> None:
    read_requirement(task)


HARD = {
    "calls": "f(" * 10_000,
    "quotes": "f('" * 6000,
    "openings": "f(" + "1" * 19_000,
    "literals": "f(1) 返回 " + "[" * 19_000,
    "prefixes": "f(1) 返回 1,1" * 2000,
    "inputs": "输入：" * 6000,
    "blanks": "如" + " " * 19_000,
    "pairs": ("输入：" + " " * 50 + "输出：") * 350,
    "gap": "输入：" + " " * 19_000 + "x",
    "definitions": "def f()\n" * 2500,
    "arrow": "def f(" + ")->" * 6000,
    "names": "f(a " + "b" * 19_000,
    "colons": "f(1) 返回" + " " * 19_000 + "x",
}


def test_long_tasks_are_read_in_little_time() -> None:
    """In a process of its own: a regular expression that hangs can't be interrupted from within."""
    program = (
        "import json, sys\n"
        "from serve_apps.code_generation.requests import SolutionRequest\n"
        "for name, task in json.load(sys.stdin).items():\n"
        "    print(name, flush=True)\n"
        "    SolutionRequest(task=task).requirement()\n"
    )
    hard = {name: text[:20_000] for name, text in HARD.items()}
    done = subprocess.run(
        [sys.executable, "-c", program], input=json.dumps(hard), timeout=100, check=True, text=True, capture_output=True
    )
    assert done.stdout.split() == list(HARD)


def test_a_signature_of_another_function_in_the_text_does_not_count() -> None:
    task = "def helper(a):\n    return a\n判断 n 是否为质数"
    body = SolutionRequest(task=task, examples=[{"call": "check(7)", "expected": True}])
    assert str(body.requirement().signature) == "def check(n)"
