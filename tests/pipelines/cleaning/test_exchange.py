"""Rows that meet by their place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.cleaning import exchange as exchange_module
from pipelines.cleaning.exchange import PLACE, Exchange, exchange, split_blocks, split_places

Rows = list[tuple[int, int]]
ROWS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 99)), max_size=40)


def table_of(rows: Sequence[tuple[int, int]]) -> pa.Table:
    places, values = zip(*rows, strict=True) if rows else ((), ())
    return pa.table({PLACE: pa.array(places, pa.int32()), "value": pa.array(values, pa.int64())})


def rows_of(table: pa.Table) -> Rows:
    return list(zip(table[PLACE].to_pylist(), table["value"].to_pylist(), strict=True))


@given(ROWS)
def test_each_place_gets_its_rows_and_their_order_stays(rows: Rows) -> None:
    parts = split_places(table_of(rows))
    for part in parts:
        (place,) = set(part[PLACE].to_pylist())
        assert rows_of(part) == [row for row in rows if row[0] == place]
    assert Counter(row for part in parts for row in rows_of(part)) == Counter(rows)


@given(ROWS)
def test_a_place_is_in_one_block(rows: Rows) -> None:
    blocks = [rows_of(block) for block in split_blocks(table_of(rows))]
    assert Counter(row for block in blocks for row in block) == Counter(rows)
    places = [set(place for place, _ in block) for block in blocks]
    assert sum(map(len, places)) == len(set().union(*places))


def test_blocks_are_closed_when_they_are_worth_a_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange_module, "_BLOCK_ROWS", 3)
    rows = table_of([(2, 0), (0, 1), (2, 2), (5, 3), (0, 4)])
    assert [block["value"].to_pylist() for block in split_blocks(rows)] == [[1, 4, 0, 2], [3]]
    assert split_blocks(rows.slice(0, 0)) == split_places(rows.slice(0, 0)) == []


@given(st.integers(0, 10**7), st.integers(1, 10**6))
def test_as_few_places_as_hold_the_rows(rows: int, most_rows: int) -> None:
    places = Exchange.plan(rows, most_rows).places
    assert places * most_rows >= rows
    assert places == 1 or (places - 1) * most_rows < rows


class Emit:
    """Ten rows of an item, over three places."""

    def __call__(self, item: int) -> pa.Table:
        return table_of([((item * 10 + n) % 3, item * 10 + n) for n in range(10)])


class Sum:
    def __call__(self, table: pa.Table) -> tuple[int, int]:
        return table[PLACE][0].as_py(), sum(table["value"].to_pylist())


@pytest.mark.usefixtures("ray_local")
def test_the_driver_and_the_shuffle_give_the_same() -> None:
    few = sorted(exchange(Emit(), range(4), Sum(), Exchange(3, 40, most_rows=100), workers=2))
    many = sorted(exchange(Emit(), range(4), Sum(), Exchange(3, 40, most_rows=10), workers=2))
    assert few == many == [(place, sum(range(place, 40, 3))) for place in range(3)]


@pytest.mark.usefixtures("ray_local")
def test_nothing_is_exchanged_of_no_items() -> None:
    assert not [*exchange(Emit(), [], Sum(), Exchange(3, 0, 10)), *exchange(Emit(), [], Sum(), Exchange(3, 20, 10))]
