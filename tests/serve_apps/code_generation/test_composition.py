"""Small expressions found in the sandbox from a requirement's words and examples."""

from __future__ import annotations

import pytest

from actors.sandbox import Limits, Sandbox
from serve_apps.code_generation.composition import compose, information, search_task
from serve_apps.code_generation.coverage import Coverage
from serve_apps.code_generation.examples import parse_example
from serve_apps.code_generation.requirement import Requirement, read_requirement
from serve_apps.code_generation.selection import best, composed_choice

LIMITS = Limits(seconds=30.0, memory_mib=512)  # patient: the machine may be busy


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    return Sandbox()


def requirement(text: str, *examples: tuple[str, object]) -> Requirement:
    return read_requirement(text, None, [parse_example(call, expected) for call, expected in examples])


@pytest.mark.parametrize(
    ("text", "examples", "call", "value"),
    [
        (
            "the sum of the even numbers greater than 10",
            [("f([1, 12, 14, 3, 4])", 26), ("f([11, 8])", 0)],
            ([20, 30, 15],),
            50,
        ),
        ("列表中所有偶数的平方和", [("f([1, 2, 4])", 20), ("f([3])", 0)], ([6, 1],), 36),
        ("count the words longer than 3 letters", [("f('a bbbb ccccc dd')", 2)], ("four five six",), 2),
        ("把每个单词反转并转成大写", [("f(['ab', 'c'])", ["BA", "C"])], (["xyz"],), ["ZYX"]),
        ("the largest prime in a list", [("f([1, 12, 7, 3])", 7), ("f([4, 5])", 5)], ([8, 2, 9],), 2),
        ("multiply corresponding elements of two lists", [("f([1, 2], [3, 4])", [3, 8])], ([5], [6]), [30]),
        ("the item with the highest value in a dictionary", [("f({'a': 1, 'b': 5, 'c': 2})", "'b'")], ({"x": 3},), "x"),
    ],
)
def test_the_expression_generalizes(
    sandbox: Sandbox, text: str, examples: list[tuple[str, object]], call: tuple[object, ...], value: object
) -> None:
    read = requirement(text, *examples)
    coverage = Coverage(read)
    chosen = best([composed_choice(found, coverage) for found in compose(read, LIMITS, sandbox, 40_000)])
    assert chosen is not None
    names: dict[str, object] = {}
    exec(chosen.code, names)
    assert names["f"](*call) == value  # type: ignore[operator]


def test_the_search_runs_at_the_weaker_level_too(sandbox: Sandbox) -> None:
    weaker = Sandbox()
    weaker.level = "rlimits"
    found = compose(requirement("sum of a list", ("f([1, 2])", 3), ("f([4])", 4)), LIMITS, weaker, 5000)
    assert "sum(numbers)" in [one.expression for one in found]


def test_without_examples_or_parameters_there_is_nothing_to_search(sandbox: Sandbox) -> None:
    assert compose(requirement("sum of a list"), LIMITS, sandbox, 1000) == []
    assert compose(requirement("the answer", ("f()", 42)), LIMITS, sandbox, 1000) == []


def test_a_loop_variable_never_hides_a_parameter() -> None:
    task = search_task(requirement("count even items, f(item) ", ("f(item=[1, 2])", 1)), [], 1000, 1.0)
    assert not any("for item in" in expression and "% 2" in expression for expression, *_ in task["blocks"])
    assert any("for each in" in expression for expression, *_ in task["blocks"])


@pytest.mark.parametrize(
    ("less", "more"),
    [
        *((True, 3), (3, 3000), ("a", "abc"), ([1], [1, 2]), (None, ""), ({}, {"a": 1})),
        *((10**300, 10**900), (1j, 900j), (float("inf"), 1.0), (b"a", b"abc")),
    ],
)
def test_longer_values_tell_more(less: object, more: object) -> None:
    assert information(less) < information(more)
