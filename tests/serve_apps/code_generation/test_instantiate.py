"""Code is made through the syntax tree, under the names that were asked for."""

from __future__ import annotations

import ast
import inspect
from typing import Any

import pytest

from serve_apps.code_generation.binding import Binding
from serve_apps.code_generation.catalogue import catalogue
from serve_apps.code_generation.instantiate import from_expression, from_template, helper_source
from serve_apps.code_generation.signature import parse_signature

BY_NAME = {template.name: template for template in catalogue()}


def run(code: str, name: str, *args: object) -> object:
    names: dict[str, object] = {}
    exec(code, names)
    return names[name](*args)  # type: ignore[operator]


def test_names_annotations_and_the_call_are_the_wanted_ones() -> None:
    code = from_template(
        BY_NAME["chunk"], Binding((0, 1), 1.0), parse_signature("pieces(values: list, n: int) -> list")
    )
    assert code.startswith("def pieces(values: list, n: int) -> list:")
    assert run(code, "pieces", [1, 2, 3], 2) == [[1, 2], [3]]


def test_without_annotations_those_of_the_template_are_taken() -> None:
    code = from_template(BY_NAME["chunk"], Binding((1, 0), 1.0), parse_signature("pieces(n, values)"))
    assert code.startswith("def pieces(n: int, values: list) -> list[list]:")
    assert run(code, "pieces", 2, [1, 2, 3]) == [[1, 2], [3]]


def test_constants_and_defaults_are_set_at_the_start() -> None:
    code = from_template(BY_NAME["kth_largest"], Binding((0, "3"), 1.0), parse_signature("third(numbers)"))
    assert "    k = 3\n" in code and run(code, "third", [5, 3, 4, 1]) == 3
    code = from_template(BY_NAME["kth_largest"], Binding((0, "default"), 1.0), parse_signature("second(numbers)"))
    assert run(code, "second", [5, 3, 4, 1]) == 4


@pytest.mark.parametrize(
    "parameters",
    ["values, n: int=2", "values, /, n=2", "values: list, *, n: int=2", "*, n=2, values", "values=(), n=2"],
)
def test_defaults_and_the_ways_to_pass_are_the_wanted_ones(parameters: str) -> None:
    wanted = parse_signature(f"pieces({parameters})")
    places = wanted.names.index("values"), wanted.names.index("n")
    codes = [from_template(BY_NAME["chunk"], Binding(places, 1.0), wanted)]
    codes.append(from_expression("[values[i:i + n] for i in range(0, len(values), n)]", wanted))
    exec(f"def pieces({parameters}): ...", same := dict[str, Any]())
    expected = [(p.name, p.kind, p.default) for p in inspect.signature(same["pieces"]).parameters.values()]
    for code in codes:
        exec(code, names := dict[str, Any]())
        found = inspect.signature(names["pieces"]).parameters.values()
        assert [(p.name, p.kind, p.default) for p in found] == expected
        by_name = inspect.Parameter.KEYWORD_ONLY in [p.kind for p in found if p.name == "values"]
        assert (names["pieces"](values=[1, 2, 3]) if by_name else names["pieces"]([1, 2, 3])) == [[1, 2], [3]]


def test_a_recursive_template_calls_itself_as_it_may() -> None:
    wanted = parse_signature("moves(n, *, source='A', spare='C', target='B')")
    code = from_template(BY_NAME["hanoi"], Binding((0, 1, 2, 3), 1.0), wanted)
    assert run(code, "moves", 2) == [("A", "C"), ("A", "B"), ("C", "B")]


def test_local_names_give_way_to_the_wanted_ones() -> None:
    """`numbers` and `total` are locals or parameters of templates: asking for these names must not change a result."""
    code = from_template(BY_NAME["moving_average"], Binding((0, 1), 1.0), parse_signature("start(start_, window)"))
    assert run(code, "start", [1, 2, 3], 2) == [1.5, 2.5]
    code = from_template(BY_NAME["chunk"], Binding((0, 1), 1.0), parse_signature("start(size, items)"))
    assert run(code, "start", [1, 2, 3], 2) == [[1, 2], [3]]
    code = from_template(BY_NAME["max_subarray_sum"], Binding((0,), 1.0), parse_signature("best(current)"))
    assert run(code, "best", [-1, 2, 3]) == 5


def test_a_recursive_template_with_other_parameters_becomes_a_helper() -> None:
    code = from_template(
        BY_NAME["hanoi"], Binding((0, "default", "default", "default"), 1.0), parse_signature("moves(n)")
    )
    assert run(code, "moves", 1) == [("A", "C")]
    assert [node.name for node in ast.parse(code).body if isinstance(node, ast.FunctionDef)] == ["_hanoi", "moves"]


def test_helpers_and_imports_come_along() -> None:
    code = from_template(BY_NAME["primes_up_to"], Binding((0,), 1.0), parse_signature("is_prime(limit)"))
    assert code.startswith("import math\n") and "def _is_prime(" in code
    assert run(code, "is_prime", 10) == [2, 3, 5, 7]


def test_an_expression_with_helpers_of_helpers() -> None:
    expression = "len(_primes_up_to(n)) + int(_is_prime(n))"
    code = from_expression(
        expression, parse_signature("f(n: int) -> int"), [BY_NAME["primes_up_to"], BY_NAME["is_prime"]]
    )
    assert code.count("def _is_prime(") == 1 and run(code, "f", 7) == 5


@pytest.mark.parametrize("name", ["is_prime", "flatten_dict", "hanoi", "generate_parentheses"])
def test_helper_source_defines_private_names_only(name: str) -> None:
    tree = ast.parse(helper_source([BY_NAME[name]]))
    assert all(node.name.startswith("_") for node in tree.body if isinstance(node, ast.FunctionDef))
