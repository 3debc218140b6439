"""The request body: every error names its field."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from serve_apps.code_generation.requests import SolutionRequest
from serve_apps.gateway.errors import ApiError, from_validation


def refused(**body: object) -> tuple[str | None, str]:
    with pytest.raises(ValidationError) as caught:
        SolutionRequest.model_validate(body)
    problems = [{**problem, "loc": ("body", *problem["loc"])} for problem in caught.value.errors()]
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
