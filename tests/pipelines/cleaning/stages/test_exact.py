"""Equal keys."""

from __future__ import annotations

import random

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from pipelines.cleaning import store
from pipelines.cleaning.stages.exact import equal_documents, equal_groups

KEYS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), max_size=20)


def table_of(rows: list[tuple[int, tuple[int, int]]]) -> pa.Table:
    keys = np.array([key for _, key in rows], dtype="<u8").reshape(-1, 2)
    numbers = [number for number, _ in rows]
    return pa.table(
        {
            "number": pa.array(numbers, pa.int64()),
            "quality": pa.array([number % 3 / 2 for number in numbers], pa.float32()),
            "length": pa.array([number % 5 for number in numbers], pa.int64()),
            "id": pa.array([f"d{number:03d}" for number in numbers], pa.string()),
            "key": store.binary(keys),
        }
    )


@given(KEYS)
def test_groups_are_the_places_of_equal_keys(keys: list[tuple[int, int]]) -> None:
    groups = [group.tolist() for group in equal_groups(np.array(keys, dtype="<u8").reshape(-1, 2))]
    wanted = [[place for place, one in enumerate(keys) if one == key] for key in sorted(set(keys))]
    assert groups == [places for places in wanted if len(places) > 1]


@given(KEYS, st.integers(0, 9))
def test_one_document_of_each_key_stays_whatever_the_order(keys: list[tuple[int, int]], seed: int) -> None:
    rows = list(enumerate(keys))
    shuffled = random.Random(seed).sample(rows, len(rows))
    removals = sorted(equal_documents(table_of(rows)), key=lambda one: one.number)
    assert removals == sorted(equal_documents(table_of(shuffled)), key=lambda one: one.number)
    gone = {one.number for one in removals}
    assert sorted(key for number, key in rows if number not in gone) == sorted(set(keys))
    for one in removals:
        assert one.survivor not in gone and keys[one.survivor] == keys[one.number]
        assert one.survivor_id == f"d{one.survivor:03d}"
