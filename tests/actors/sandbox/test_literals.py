"""Reading literals and comparing values."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.sandbox import equal, parse_literal

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(values)
def test_every_plain_value_survives_as_text(value):
    assert equal(parse_literal(repr(value)), value)


@given(st.sets(st.integers()))
def test_sets_survive_as_text(value):
    assert parse_literal(repr(value)) == value
    assert parse_literal(repr(frozenset(value))) == value


@pytest.mark.parametrize("text", ["", "f(1)", "__import__('os')", "[1, 2", "x", "1 + x", "(" * 500, "open"])
def test_what_is_no_literal_is_refused(text):
    with pytest.raises(ValueError, match="no Python literal"):
        parse_literal(text)


@pytest.mark.parametrize(
    ("actual", "expected"),
    [(1, 1.0), (0.1 + 0.2, 0.3), ([1, {"a": 2.0}], [1, {"a": 2}]), (math.nan, math.nan), ({1, 2}, {2, 1}), ((), ())],
)
def test_equal_values(actual, expected):
    assert equal(actual, expected)


@pytest.mark.parametrize(
    ("actual", "expected"),
    [
        (1, True),
        (0, False),
        ([1], (1,)),
        ("1", 1),
        (1.0, 1.001),
        ([1, 2], [2, 1]),
        ({"a": 1}, {"a": 1, "b": 2}),
        ([True], [1]),
        (None, 0),
        (10**400, 1e300),
        (10**20, 10**20 + 1),
    ],
)
def test_different_values(actual, expected):
    assert not equal(actual, expected)
    assert not equal(expected, actual)
