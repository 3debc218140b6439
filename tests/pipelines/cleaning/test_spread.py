"""Work units over Ray."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from danlu.errors import InputError
from pipelines.cleaning.spread import spread, spread_actors


def _square(number: int) -> int:
    return number * number


def _refuse(number: int) -> int:
    raise InputError(f"item {number}", rule="refused", fix="leave it out")


class _Adder:
    def __init__(self, start: int) -> None:
        self.start = start

    def __call__(self, number: int) -> int:
        return self.start + number


def test_every_item_has_its_result(ray_local: None) -> None:
    assert sorted(spread(_square, range(5), workers=2)) == [0, 1, 4, 9, 16]
    assert sorted(spread_actors(_Adder, (10,), range(3), workers=1)) == [10, 11, 12]


def test_no_items_no_work() -> None:
    assert list(spread(_square, [])) == []


def test_a_users_error_comes_out_as_it_was_raised(ray_local: None) -> None:
    with pytest.raises(InputError, match="item 1: refused") as error:
        list(spread(_refuse, [1]))
    assert error.value.fix == "leave it out"


def test_results_can_be_left_unread(ray_local: None) -> None:
    results: Iterator[int] = spread(_square, range(4), workers=1)
    assert next(results) in (0, 1, 4, 9)
    results.close()  # type: ignore[attr-defined]
    assert list(spread(_square, [3], workers=1)) == [9]
