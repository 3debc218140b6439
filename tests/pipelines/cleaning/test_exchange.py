"""Rows that meet by their place."""

from __future__ import annotations

import pyarrow as pa
import pytest

from pipelines.cleaning import exchange
from pipelines.cleaning.exchange import PLACE, split_blocks, split_places

ROWS = pa.table({PLACE: pa.array([2, 0, 2, 5, 0], pa.int32()), "row": [0, 1, 2, 3, 4]})


def test_every_place_gets_its_rows_in_their_order() -> None:
    assert [part["row"].to_pylist() for part in split_places(ROWS)] == [[1, 4], [0, 2], [3]]
    assert split_places(ROWS.slice(0, 0)) == []


def test_blocks_hold_whole_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "_BLOCK_ROWS", 3)
    assert [block["row"].to_pylist() for block in split_blocks(ROWS)] == [[1, 4, 0, 2], [3]]
    assert split_blocks(ROWS.slice(0, 0)) == []
