"""Shards of input: every row in exactly one, however files are cut."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu.errors import InputError
from pipelines.training.input_shards import cut_bytes, cut_groups, first_row, plan_shards, read_shard

COLUMNS = ("text",)


def texts(shards) -> list[str]:
    return [fields["text"] for shard in shards for _, fields in read_shard(shard, COLUMNS)]


@given(
    rows=st.lists(st.text(max_size=30), max_size=20),
    shard_bytes=st.integers(1, 200),
    ending=st.sampled_from(["\n", "\r\n", "\n\n"]),
    last=st.booleans(),
)
def test_every_line_is_in_the_shard_where_it_begins(tmp_path_factory, rows, shard_bytes, ending, last) -> None:
    file = tmp_path_factory.mktemp("lines") / "a.jsonl"
    body = ending.join(json.dumps({"text": row}, ensure_ascii="é" in row) for row in rows) + ending * last
    file.write_bytes(body.encode("utf-8", "surrogatepass"))
    shards = plan_shards([str(file)], shard_bytes)
    assert texts(shards) == rows
    assert [shard.number for shard in shards] == list(range(len(shards)))
    assert sum(shard.size_bytes for shard in shards) == file.stat().st_size


@given(st.integers(0, 10**7), st.integers(1, 10**6))
def test_byte_ranges_cover_a_file_once(size: int, most: int) -> None:
    ranges = cut_bytes(size, most)
    assert ranges[0][0] == 0 and ranges[-1][1] == size
    assert all(before[1] == after[0] for before, after in pairwise(ranges))
    assert all(stop - start <= most for start, stop in ranges)


@given(st.lists(st.integers(0, 100), max_size=20), st.integers(1, 150))
def test_row_groups_are_each_in_one_range(sizes: list[int], full: int) -> None:
    ranges = cut_groups(sizes, full)
    assert [i for start, stop in ranges for i in range(start, stop)] == list(range(len(sizes)))
    assert all(sum(sizes[start : stop - 1]) < full for start, stop in ranges)


def test_parquet_is_cut_between_row_groups_and_rows_keep_their_number(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    rows = [f"第{i}号" for i in range(10)]
    pd.DataFrame({"text": rows, "other": range(10)}).to_parquet(file, row_group_size=3)
    shards = plan_shards([str(file)], 1)
    assert len(shards) == 4 and texts(shards) == rows
    assert [shard.row_name(1).rpartition(" ")[2] for shard in shards] == ["1", "4", "7", "10"]
    assert first_row(str(file), COLUMNS) == {"text": "第0号"}
    assert len(plan_shards([str(file)])) == 1


def test_the_first_row_of_an_empty_file_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("\n")
    assert first_row(str(tmp_path / "a.jsonl"), COLUMNS) is None


def test_a_byte_order_mark_is_no_content(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "一"}\n', encoding="utf-8-sig")
    assert first_row(str(tmp_path / "a.jsonl"), COLUMNS) == {"text": "一"}


def test_a_broken_line_is_named_by_where_it_is(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text('{"text": "x"}\n' * 4 + "{\n")
    with pytest.raises(InputError, match=r"a\.jsonl line 5 is not JSON"):
        texts(plan_shards([str(file)]))
    with pytest.raises(InputError, match=r"a\.jsonl after byte 29: line 2 is not JSON"):
        texts(plan_shards([str(file)], 30))
