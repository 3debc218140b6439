"""Annotations as kinds of values."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_apps.code_generation.annotations import kinds_of_annotation, wanted_kind

names = st.sampled_from(["int", "str", "list", "dict", "set", "tuple", "None", "Any", "typing.List", "...", "()", "1"])
annotations = st.recursive(
    names,
    lambda inner: (
        st.tuples(names, st.lists(inner, min_size=1, max_size=3)).map(lambda pair: f"{pair[0]}[{', '.join(pair[1])}]")
        | st.tuples(inner, inner).map(" | ".join)
    ),
    max_leaves=8,
)


@given(annotations)
def test_every_annotation_says_something_or_nothing(annotation: str) -> None:
    ast.parse(annotation, mode="eval")  # what a signature may hold
    kinds = kinds_of_annotation(annotation)
    assert kinds is None or "any" in kinds
    assert wanted_kind(annotation)


@pytest.mark.parametrize(
    ("annotation", "kind"),
    [
        ("list[int]", "ints"),
        ("dict[str, list[int]]", "dict_rows"),
        ("set[tuple[list[int], int]]", "rows"),
        ("List", "list"),
    ],
)
def test_kinds_of_what_is_annotated(annotation: str, kind: str) -> None:
    assert kind in (kinds_of_annotation(annotation) or ())


@pytest.mark.parametrize(
    "annotation", ["", "set[dict[str, int]]", "int[str]", "dict[()]", "list[...]", "x", "f(", "list[x]"]
)
def test_what_says_nothing(annotation: str) -> None:
    assert kinds_of_annotation(annotation) is None
