"""Removals between the stages."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from pipelines.cleaning.layout import Shard
from pipelines.cleaning.removals import dropped_rows, load_removals, save_removals
from pipelines.cleaning.survivors import Removal

FOUND = [Removal((1 << 32) + 3, 2, 0.75, "文#2"), Removal(5, 2, 1.0, "文#2")]


def test_they_come_back_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    uri = str(tmp_path / "near.parquet")
    saved = save_removals(uri, iter(FOUND))
    assert saved == load_removals(uri) == FOUND[::-1]


def test_a_stage_that_is_switched_off_has_dropped_nothing(tmp_path: Path) -> None:
    assert load_removals(str(tmp_path / "nothing.parquet")) == []


@given(st.lists(st.sets(st.tuples(st.integers(0, 2), st.integers(0, 30))), max_size=3))
def test_the_rows_of_all_stages_by_shard(stages: list[set[tuple[int, int]]]) -> None:
    shards = [Shard(name, 31) for name in "abc"]
    removals = [[Removal((place << 32) + row, 0, 1.0) for place, row in stage] for stage in stages]
    rows = dropped_rows(removals, shards)
    wanted = [sorted(row for stage in stages for at, row in stage if at == place) for place in range(3)]
    assert [one.tolist() for one in rows] == wanted
