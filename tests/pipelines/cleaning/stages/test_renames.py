"""New ids for repeated ones, wherever the shards meet."""

from __future__ import annotations

import random
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.cleaning import store
from pipelines.cleaning.config import CleanConfig
from pipelines.cleaning.layout import Layout, Shard
from pipelines.cleaning.stages.renames import EmitIds, find_renames, repeated_ids

IDS = st.lists(st.lists(st.sampled_from(["a", "b", "a~2", "a~3", "~2", ""]), max_size=6), min_size=1, max_size=4)


def write(shards: list[list[str]], root: Path) -> Layout:
    layout = Layout(str(root))
    for place, ids in enumerate(shards):
        store.write_table(layout.raw(str(place)), pa.table({"id": pa.array(ids, pa.string())}))
    return layout


def renamed(shards: list[list[str]], layout: Layout, places: int) -> dict[int, str]:
    """{number: new id} by way of so many places, the rows of each in any order."""
    emit = EmitIds(layout, places)
    rows = [row for place in range(len(shards)) for row in emit((place, str(place))).to_pylist()]
    random.Random(places).shuffle(rows)
    schema = emit((0, "0")).schema
    found: dict[int, str] = {}
    for place in range(places):
        found |= repeated_ids(pa.Table.from_pylist([row for row in rows if row["place"] == place], schema))
    return found


@given(IDS)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_ids_are_different_afterwards_and_the_first_of_each_stays(tmp_path: Path, shards: list[list[str]]) -> None:
    layout = write(shards, tmp_path)
    new = renamed(shards, layout, 1)
    before = {(place << 32) + row: name for place, ids in enumerate(shards) for row, name in enumerate(ids)}
    after = before | new
    assert len(set(after.values())) == len(after)
    for name in set(before.values()):
        first = min(number for number, one in before.items() if one == name)
        assert after[first] == name
    assert {number: renamed(shards, layout, 3)[number] for number in new} == new


@pytest.mark.usefixtures("ray_local")
def test_the_shuffle_finds_the_same_as_the_driver(tmp_path: Path) -> None:
    ids = [["a", "b", "a"], ["a", "c"], [f"n{n}" for n in range(200)] + ["b"]]
    layout = write(ids, tmp_path)
    shards = [Shard(str(place), len(names)) for place, names in enumerate(ids)]
    wanted = {"0": {2: "a~2"}, "1": {0: "a~3"}, "2": {200: "b~2"}}
    for most in (100, 50_000):
        config = CleanConfig(input="x", output="y", exchange_documents=most)
        assert find_renames(shards, config, layout) == wanted
