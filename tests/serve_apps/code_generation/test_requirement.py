"""A requirement is put together from the request and its text."""

from __future__ import annotations

import pytest

from serve_apps.code_generation.constants import find_constants
from serve_apps.code_generation.examples import parse_example
from serve_apps.code_generation.requirement import read_requirement
from serve_apps.code_generation.signature import parse_signature


def test_the_text_alone_can_say_everything() -> None:
    read = read_requirement("编写函数 sum_even(numbers)，返回大于 10 的偶数之和。例如 sum_even([1, 12]) 返回 12。")
    assert str(read.signature) == "def sum_even(numbers)"
    assert [str(example) for example in read.examples] == ["sum_even([1, 12]) == 12"]
    assert read.examples_from == "text" and read.constants == (10,) and read.chinese


def test_examples_of_the_request_count_more_than_the_text() -> None:
    read = read_requirement("f(1) == 5", None, [parse_example("f(1)", 2)])
    assert read.examples_from == "request" and [e.expected for e in read.examples] == [2]


def test_parameters_are_named_after_what_the_examples_hold() -> None:
    read = read_requirement("add", None, [parse_example("f([1], [2], 'a', {}, 3)", 0)])
    assert read.signature.names == ("numbers1", "numbers2", "text", "mapping", "n")


def test_code_in_the_text_is_not_read_as_prose() -> None:
    text = 'def incr(l: list):\n    """Return list with elements incremented by 1.\n'
    text += '    >>> incr([7, 8])\n    [8, 9]\n    """\n'
    read = read_requirement(text)
    assert read.prose == "Return list with elements incremented by 1."
    assert read.constants == (1,) and str(read.signature) == "def incr(l: list)"


def test_examples_must_call_the_wanted_function() -> None:
    with pytest.raises(ValueError, match="example 1 calls g, the wanted function is f"):
        read_requirement("x", parse_signature("f(a)"), [parse_example("f(1)", 1), parse_example("g(1)", 1)])


def test_a_default_stands_for_what_an_example_leaves_out() -> None:
    wanted = parse_signature("f(a, b=2, *, c=max, d=...)")
    read = read_requirement("x", wanted, [parse_example(f"f({n})", 0) for n in (1, 3)])
    assert [read.argument_values(place) for place in range(4)] == [[1, 3], [2, 2], [], []]
    read = read_requirement(
        "x", parse_signature("f(a, b=2)"), [parse_example("f(1)", 0), parse_example("f(1, b=5)", 0)]
    )
    assert read.argument_values(1) == [2, 5]


def test_kinds_come_from_examples_else_from_annotations() -> None:
    read = read_requirement("x", parse_signature("f(a: list[str], b)"))
    assert "strs" in read.argument_kinds(0) and read.argument_kinds(1) == frozenset()
    read = read_requirement("x", parse_signature("f(a, b)"), [parse_example("f([1], b=2)", 0)])
    assert "ints" in read.argument_kinds(0) and "int" in read.argument_kinds(1)


def test_fields_are_the_keys_of_records() -> None:
    read = read_requirement("x", None, [parse_example("f([{'name': 'a', 'age': 1}])", 0)])
    assert read.fields == ("name", "age")


@pytest.mark.parametrize(
    ("prose", "constants"),
    [
        ("大于 10 且小于 -2.5 的数", (10, -2.5)),
        ("replace 'a' by \"b\"", ("a", "b")),
        ("把“是”换成‘否’", ("是", "否")),
        ("the second of three", (2, 3)),
        ("第三个字符和两倍", (3, 2)),
        ("用逗号分隔，键值之间是等号", (",", "=")),
        ("separated by semicolons; a dash between", (";", "-")),
        ("the 007 agent, version x2", (7,)),
        ("1 one 1", (1,)),
        ("判断一个数是否大于100", (100,)),
        ("大于100且小于-2.5的数", (100, -2.5)),
        ("大于１００的数，小于－３．５", (100, -3.5)),
        ("用log2(x)和x2，3-5之间取7.", (3, 5, 7)),
        ("x²和①", ()),
        ("9" * 41 + "和8", (8,)),
        ("true and 1.0 or 1", (1.0, 1)),
    ],
)
def test_constants_of_the_text(prose: str, constants: tuple[object, ...]) -> None:
    found = find_constants(prose)
    assert found == constants and [type(c) for c in found] == [type(c) for c in constants]
