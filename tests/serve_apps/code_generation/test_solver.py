"""The whole way from a requirement to a solution, with a scripted language model where one is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from actors.engines.protocol import Completion, Message, SamplingParams
from actors.sandbox import Sandbox
from danlu.errors import NotAvailableError
from serve_apps.code_generation.config import CodeGenerationConfig
from serve_apps.code_generation.examples import parse_example
from serve_apps.code_generation.requirement import read_requirement
from serve_apps.code_generation.signature import parse_signature
from serve_apps.code_generation.solution import Solution
from serve_apps.code_generation.solver import Solver

WRONG, RIGHT = "def f(n):\n    return n\n", "def f(n):\n    return n * 7919 % 1009 + n\n"
HARD = ("一个谁也没有听说过的运算", ("f(3)", 553), ("f(10)", 500))


class ScriptedModel:
    """Gives its answers in turn and keeps what it was asked."""

    name = "scripted"

    def __init__(self, *answers: str | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[Sequence[Message]] = []

    async def chat(self, messages: Sequence[Message], sampling: SamplingParams) -> Completion:
        self.asked.append(messages)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return Completion(f"```python\n{answer}```", 1, 1, "stop")


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    return Sandbox()


def solve(sandbox: Sandbox, text: str, *examples: tuple[str, object], model: ScriptedModel | None = None) -> Solution:
    read = read_requirement(text, None, [parse_example(call, expected) for call, expected in examples])
    config = CodeGenerationConfig(search_expressions=5000, max_candidates=8)
    return asyncio.run(Solver(config, sandbox, model).solve(read))


def test_a_template_solves_what_it_names(sandbox: Sandbox) -> None:
    solution = solve(sandbox, "求两个字符串的编辑距离", ("distance('kitten', 'sitting')", 3))
    assert (solution.origin, solution.outcome) == ("template", "passed")
    assert solution.code.startswith("def distance(") and solution.attempts[-1].passed
    assert all(check.passed for check in solution.checks)


def test_a_composition_solves_what_no_template_is(sandbox: Sandbox) -> None:
    solution = solve(sandbox, "sum of squares of the odd numbers", ("f([1, 2, 3])", 10), ("f([2])", 0))
    assert (solution.origin, solution.outcome) == ("template", "passed")
    assert solution.attempts[-1].method == "composition"


def test_when_nothing_holds_there_is_no_code(sandbox: Sandbox) -> None:
    solution = solve(sandbox, *HARD)
    assert (solution.code, solution.origin, solution.outcome) == ("", "none", "failed")
    assert any(not check.passed and check.detail for check in solution.checks)


def test_a_fit_that_may_be_chance_is_not_returned(sandbox: Sandbox) -> None:
    solution = solve(sandbox, "whether the contraption of the gizmo frobnicates the widget", ("f(3, 8, 'x')", True))
    assert solution.outcome == "failed" and solution.code == ""


def test_without_examples_the_outcome_is_unchecked(sandbox: Sandbox) -> None:
    solution = solve(sandbox, "判断一个年份 is_leap(year) 是不是闰年")
    assert (solution.origin, solution.outcome) == ("template", "unchecked")
    assert [check.passed for check in solution.checks] == [True, True, False]
    assert "no examples" in solution.checks[-1].detail


def test_without_examples_or_a_clear_template_there_is_no_code(sandbox: Sandbox) -> None:
    solution = solve(sandbox, "随便写点什么")
    assert (solution.origin, solution.outcome) == ("none", "failed")
    assert "examples would let" in solution.checks[-1].detail


def test_the_model_is_asked_last_and_mends_its_error(sandbox: Sandbox) -> None:
    model = ScriptedModel(WRONG, RIGHT)
    solution = solve(sandbox, HARD[0], ("f(3)", 3 * 7919 % 1009 + 3), ("f(10)", 10 * 7919 % 1009 + 10), model=model)
    assert (solution.origin, solution.outcome, solution.code) == ("model", "passed", RIGHT)
    assert len(model.asked) == 2 and "f(3) gave 3, expected" in model.asked[1][-1]["content"]
    assert [a.passed for a in solution.attempts if a.method == "model"] == [False, True]


def test_the_model_gets_two_more_tries_and_no_third(sandbox: Sandbox) -> None:
    model = ScriptedModel(WRONG, "no code", WRONG, RIGHT)
    solution = solve(sandbox, *HARD, model=model)
    assert solution.origin == "none" and len(model.asked) == 3


def test_a_models_code_without_examples_is_unchecked(sandbox: Sandbox) -> None:
    model = ScriptedModel("def f(n):\n    return undefined\n", "def f(n):\n    return n\n")
    solution = solve(sandbox, "f(n): 随便写点什么", model=model)
    assert (solution.origin, solution.outcome) == ("model", "unchecked")
    assert "nothing defines undefined" in model.asked[1][-1]["content"]


def test_a_model_that_is_not_there_is_said(sandbox: Sandbox) -> None:
    solution = solve(sandbox, *HARD, model=ScriptedModel(NotAvailableError("model 'scripted' is not served")))
    assert solution.outcome == "failed"
    assert any(check.name == "model" and "not served" in check.detail for check in solution.checks)


def test_a_template_needs_no_model(sandbox: Sandbox) -> None:
    model = ScriptedModel()
    assert solve(sandbox, "gcd of two integers", ("gcd(12, 18)", 6), model=model).origin == "template"
    assert model.asked == []


@pytest.mark.parametrize("expected", ["1j", 10**900, "b'ab'", "{1, 2}", "[[[[1]]]]", "inf"])
def test_every_plain_value_can_be_asked_for(sandbox: Sandbox, expected: object) -> None:
    solution = solve(sandbox, HARD[0], (f"f({expected})", expected), ("f(1)", expected))
    assert solution.outcome in ("passed", "failed")


def test_a_solution_keeps_defaults_and_the_ways_to_pass(sandbox: Sandbox) -> None:
    examples = [parse_example("chunks([1, 2, 3])", [[1, 2], [3]]), parse_example("chunks([1, 2], size=1)", [[1], [2]])]
    signature = parse_signature("chunks(items: list, *, size: int = 2) -> list")
    read = read_requirement("把列表按固定大小分块 split a list into chunks", signature, examples)
    solution = asyncio.run(Solver(CodeGenerationConfig(max_candidates=8), sandbox).solve(read))
    assert solution.outcome == "passed"
    assert "def chunks(items: list, *, size: int=2) -> list:" in solution.code
    assert [(p.default, p.only) for p in solution.plan.parameters] == [("", ""), ("2", "keyword")]
