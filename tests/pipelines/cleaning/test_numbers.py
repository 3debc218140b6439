"""Numbers of documents, and back."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipelines.cleaning.numbers import by_shard, numbers_of, rows_by_shard, rows_of

PLACES = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2**31 - 1)), max_size=20, unique=True)


@given(PLACES)
def test_documents_are_found_again_where_they_lie(places: list[tuple[int, int]]) -> None:
    numbers = [int(numbers_of(shard, np.array([row]))[0]) for shard, row in places]
    assert len(set(numbers)) == len(places)
    found = [(shard, int(row)) for shard, inside in by_shard(np.array(numbers)) for row in rows_of(inside)]
    assert found == sorted(places)
    rows = rows_by_shard(numbers, 6)
    assert [(shard, int(row)) for shard, inside in enumerate(rows) for row in inside] == sorted(places)
