"""Prompts to the language model, and the code in its answers."""

from __future__ import annotations

import pytest

from serve_apps.code_generation.examples import parse_example
from serve_apps.code_generation.plan import make_plan
from serve_apps.code_generation.refinement import extract_code, first_prompt, repair_prompt
from serve_apps.code_generation.requirement import read_requirement

CODE = "def f(n):\n    return n\n"


@pytest.mark.parametrize(
    "answer",
    [
        f"```python\n{CODE}```",
        f"Here it is:\n\n```python\n{CODE}```\nIt returns n.",
        f"```\n{CODE}```",
        f"<think>first ```python\nwrong\n``` hm</think>\n```py\n{CODE}```",
        f"```python\n{CODE}",
        CODE,
        f"Sure!\n{CODE}\nThis function returns n.",
        f"```python\nprint(1)\n```\nand\n```python\n{CODE}```",
    ],
)
def test_only_the_code_is_taken(answer: str) -> None:
    assert extract_code(answer, "f").strip() == CODE.strip()


@pytest.mark.parametrize("answer", ["", "I cannot do that.", "<think>def f(n): never closed"])
def test_an_answer_without_code(answer: str) -> None:
    assert extract_code(answer, "f") == ""


def test_imports_before_the_function_are_kept() -> None:
    assert extract_code("import math\n\ndef f(n):\n    return math.sqrt(n)\nDone.", "f").startswith("import math\n")


def test_code_that_does_not_parse_is_given_back_for_its_error() -> None:
    assert extract_code("def f(n:\n    return n", "f") == "def f(n:\n    return n\n"


def test_code_that_is_too_deep_to_be_parsed_is_given_back_for_its_error() -> None:
    code = "def f(n):\n    return " + "-" * 9000 + "n"
    assert extract_code(code, "f").startswith("def f(n):")


def test_the_prompt_has_task_plan_signature_and_examples() -> None:
    read = read_requirement("求偶数之和", None, [parse_example("f([1, 2])", 2)])
    system, user = first_prompt(read, make_plan(read))
    assert system["role"] == "system" and user["role"] == "user"
    for part in ("求偶数之和", "- 遍历 numbers", "def f(numbers):", "f([1, 2]) == 2"):
        assert part in user["content"]


def test_a_repair_shows_the_answer_and_its_problem() -> None:
    asked = repair_prompt([{"role": "user", "content": "do"}], "bad code", "f(1) gave 2, expected 3")
    assert [message["role"] for message in asked] == ["user", "assistant", "user"]
    assert asked[1]["content"] == "bad code" and "f(1) gave 2, expected 3" in asked[2]["content"]
