"""Kinds of values and annotations."""

from __future__ import annotations

import pytest

from serve_apps.code_generation.annotations import kinds_of_annotation, wanted_kind
from serve_apps.code_generation.kinds import kinds_of, shared_kinds


@pytest.mark.parametrize(
    ("value", "kind", "not_kind"),
    [
        (1, "int", "bool"),
        (True, "bool", "int"),
        (1.5, "num", "int"),
        ("a", "str", "iter"),
        ([1, 2], "ints", "strs"),
        ([1, 2.5], "nums", "ints"),
        ((1, "a"), "tuple", "nums"),
        ([[1], [2]], "grids", "pairs"),
        ([("a", 1)], "pairs", "grids"),
        ([{"a": 1}], "records", "rows"),
        ({"a": 1}, "dict_nums", "dict_strs"),
        ({1}, "set", "seq"),
        (None, "none", "int"),
        ([True], "bools", "ints"),
    ],
)
def test_kinds(value: object, kind: str, not_kind: str) -> None:
    assert kind in kinds_of(value) and not_kind not in kinds_of(value) and "any" in kinds_of(value)


def test_an_empty_list_is_of_every_kind_of_list() -> None:
    assert {"ints", "strs", "rows", "records", "pairs"} <= kinds_of([])


def test_several_values_share_what_all_of_them_are() -> None:
    assert "nums" in shared_kinds([[1], [2.5], []]) and "ints" not in shared_kinds([[1], [2.5]])
    assert shared_kinds([1, "a"]) == {"any"}


@pytest.mark.parametrize(
    ("annotation", "wanted"),
    [
        ("int", "int"),
        ("float", "num"),
        ("list[int]", "ints"),
        ("list[Foo]", "seq"),
        ("dict[str, int]", "dict"),
        ("", "any"),
    ],
)
def test_what_a_template_takes(annotation: str, wanted: str) -> None:
    assert wanted_kind(annotation) == wanted


def test_what_an_annotation_allows() -> None:
    assert "ints" in (kinds_of_annotation("list[int]") or ())
    assert "strs" in (kinds_of_annotation("List[str]") or ())
    assert "strs" in (kinds_of_annotation("typing.List[str]") or ())
    assert "pairs" in (kinds_of_annotation("list[tuple[int, str]]") or ())
    assert "dict_ints" in (kinds_of_annotation("dict[str, int]") or ())
    assert "set" in (kinds_of_annotation("set[tuple[int, int]]") or ())
    assert kinds_of_annotation("int | None") is None and kinds_of_annotation("") is None
