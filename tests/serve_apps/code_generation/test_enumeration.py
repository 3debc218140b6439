"""The bottom-up search, run beside the tests instead of in the sandbox."""

from __future__ import annotations

import time
from typing import Any

from serve_apps.code_generation.enumeration import search


def task(**given: Any) -> dict[str, Any]:
    return {
        "helpers": "",
        "variables": [("x", [3, 5], 1)],
        "constants": [("1", 1, 1, 2), ("2", 2, 3, 0)],
        "blocks": [("{0} + {1}", ["num", "num"], 1, 0), ("{0} * {1}", ["num", "num"], 1, 4)],
        "expected": [6, 10],
        "variable_marks": 1,
        "weights": [],
        "most_cost": 8,
        "most_tried": 5000,
        "most_found": 5,
        "cpu_seconds": 5.0,
    } | given


def expressions(**given: Any) -> list[str]:
    return [expression for _, _, expression in search(task(**given))]


def test_the_cheapest_expression_comes_first() -> None:
    costs = [cost for cost, _, _ in search(task())]
    assert costs[0] == 5 and costs == sorted(costs)


def test_expressions_nest_until_they_fit() -> None:
    found = expressions(expected=[8, 12])
    for expression in found:
        assert [eval(expression, {"x": x}) for x in (3, 5)] == [8, 12]
    assert found


def test_nothing_fits_is_an_empty_list() -> None:
    assert expressions(expected=["a", "b"]) == []


def test_a_constant_is_no_answer() -> None:
    assert expressions(expected=[1, 1], most_cost=3) == []


def test_what_accounts_for_more_of_the_text_wins() -> None:
    """Both blocks give the values; the second one has a bit that is worth more than its price."""
    blocks = [("{0} * 2", ["num"], 1, 0), ("{0} + {0}", ["num"], 2, 8)]
    assert [text for _, _, text in search(task(blocks=blocks, weights=[(8, 3.0)]))] == ["x + x", "x * 2"]
    assert next(text for _, _, text in search(task(blocks=blocks))) == "x * 2"


def test_slow_huge_and_failing_expressions_do_no_harm() -> None:
    blocks = [
        ("{0} ** {1}", ["num", "num"], 1, 0),
        ("list(range(10 ** 12))[{0}]", ["num"], 1, 0),
        ("[n for n in iter(int, 1)][{0}]", ["num"], 1, 0),
        ("{0} / 0", ["num"], 1, 0),
        ("math.factorial({0})", ["int"], 1, 0),
        ("{0} * 10 ** 9", ["int"], 1, 0),
        ("list(range({0}))", ["int"], 1, 0),
        ("10 ** 5000 + {0}", ["num"], 1, 0),
        ("{0} + {1}", ["num", "num"], 1, 0),
    ]
    began = time.monotonic()
    assert "x + (1)" in expressions(blocks=blocks, expected=[4, 6], most_cost=3)
    assert expressions(blocks=blocks, expected=["no", "no"], most_cost=5) == []
    assert time.monotonic() - began < 30


def test_helpers_are_functions_that_blocks_may_call() -> None:
    helpers = "import math\ndef _root(n):\n    return math.isqrt(n)\n"
    found = expressions(helpers=helpers, blocks=[("_root({0})", ["int"], 1, 0)], expected=[1, 2])
    assert found == ["_root(x)"]


def test_the_number_of_expressions_is_bounded() -> None:
    assert expressions(expected=[97, 91], most_tried=10, most_cost=50) == []


def test_floats_are_compared_with_tolerance_and_kinds_kept_apart() -> None:
    assert expressions(blocks=[("{0} * 0.1", ["num"], 1, 0)], expected=[0.3, 0.5]) == ["x * 0.1"]
    assert expressions(blocks=[("[{0}]", ["num"], 1, 0)], expected=[(3,), (5,)]) == []
    assert expressions(blocks=[("{0} > 4", ["num"], 1, 0)], expected=[0, 1]) == []
