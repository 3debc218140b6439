"""Templates are found by words, types and shape, and bound to the wanted parameters."""

from __future__ import annotations

import pytest

from serve_apps.code_generation.binding import bindings
from serve_apps.code_generation.catalogue import catalogue
from serve_apps.code_generation.examples import parse_example
from serve_apps.code_generation.plan import make_plan
from serve_apps.code_generation.ranking import by_words, rank, shape_fit
from serve_apps.code_generation.requirement import Requirement, read_requirement

BY_NAME = {template.name: template for template in catalogue()}


def requirement(text: str, call: str, expected: object) -> Requirement:
    return read_requirement(text, None, [parse_example(call, expected)])


@pytest.mark.parametrize(
    ("text", "call", "expected", "name"),
    [
        ("check if a number is prime", "f(7)", True, "is_prime"),
        ("判断一个数是不是素数", "f(7)", True, "is_prime"),
        ("两个字符串的编辑距离", "f('ab', 'b')", 1, "edit_distance"),
        ("Levenshtein distance of two words", "f('ab', 'b')", 1, "edit_distance"),
        ("matrix transpose", "f([[1]])", [[1]], "transpose"),
        ("合并重叠的区间", "f([[1, 2]])", [[1, 2]], "merge_intervals"),
        ("caesar cipher with a shift", "f('aB', 3)", "'dE'", "caesar_cipher"),
        ("罗马数字转成整数", "f('IV')", 4, "from_roman"),
    ],
)
def test_the_right_template_comes_first(text: str, call: str, expected: object, name: str) -> None:
    read = requirement(text, call, expected)
    assert rank(read, make_plan(read))[0].template.name == name


def test_templates_of_other_types_are_left_out() -> None:
    read = requirement("is prime", "f('text')", "'text'")
    assert all(candidate.template.name != "is_prime" for candidate in rank(read, make_plan(read)))


def test_words_alone_rank_all_templates() -> None:
    ranked = by_words(requirement("汉诺塔", "f(3)", 7))
    assert len(ranked) == len(catalogue()) and ranked[0][0].name in ("hanoi", "hanoi_moves")


def test_parameters_in_another_order_are_matched_by_kind() -> None:
    found = bindings(BY_NAME["chunk"], requirement("chunks", "f(2, [1, 2, 3])", [[1, 2], [3]]))
    assert [binding.sources for binding in found] == [(1, 0)]


def test_constants_of_the_text_fill_parameters() -> None:
    found = bindings(BY_NAME["chunk"], requirement("chunks of 2", "f([1, 2, 3])", [[1, 2], [3]]))
    assert [binding.sources for binding in found] == [(0, "2")]


def test_defaults_and_parameters_that_are_left_over() -> None:
    found = bindings(BY_NAME["kth_largest"], requirement("second largest", "f([1, 2], 2)", 1))
    assert {binding.sources for binding in found} == {(0, 1), (0, "default"), (0, "2")}
    assert found[0].sources == (0, 1) and found[0].fit == 1.0


def test_what_a_template_returns_must_fit_the_examples() -> None:
    assert not bindings(BY_NAME["is_prime"], requirement("prime", "f(7)", "'yes'"))
    assert bindings(BY_NAME["circle_area"], requirement("area", "f(1)", 3))  # 3 may be a rounded float


def test_shapes_overlap() -> None:
    assert shape_fit(frozenset({"input", "loop", "return"}), frozenset({"loop"})) == 1.0
    assert shape_fit(frozenset({"loop", "filter"}), frozenset({"loop", "sort"})) == pytest.approx(1 / 3)
    assert shape_fit(frozenset({"input"}), frozenset()) == 0.0
