"""Groups in work units."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipelines.cleaning.numbers import numbers_of, rows_of
from pipelines.cleaning.packs import pack_groups, verify
from pipelines.cleaning.survivors import Standing

SHARDS = ["a", "b", "c"]
# {number: group} with numbers spread over three shards
GROUPS = st.lists(st.sets(st.tuples(st.integers(0, 2), st.integers(0, 50)), min_size=2, max_size=6), max_size=8)


def numbers(group: set[tuple[int, int]]) -> np.ndarray:
    return np.sort([int(numbers_of(place, np.array([row]))[0]) for place, row in group])


@given(GROUPS, st.data())
def test_every_group_is_whole_in_one_pack_which_knows_where_its_documents_lie(
    groups: list[set[tuple[int, int]]], data: st.DataObject
) -> None:
    wanted = [numbers(group) for group in groups]
    members = sorted({int(number) for group in wanted for number in group})
    protected = frozenset(data.draw(st.sets(st.sampled_from(members)))) if members else frozenset()
    packs = pack_groups(wanted, SHARDS, protected)
    assert [group for pack in packs for group in pack.groups] == [tuple(group.tolist()) for group in wanted]
    for pack in packs:
        held = {number for group in pack.groups for number in group}
        found = {int(number) for inside in pack.places.values() for number in inside}
        assert found == held and pack.protected == protected & held
        for shard, inside in pack.places.items():
            assert all(number >> 32 == SHARDS.index(shard) for number in inside.tolist())
            assert (np.diff(rows_of(inside)) >= 0).all()


def test_a_pack_is_closed_at_eight_thousand_documents() -> None:
    groups = [np.arange(start, start + 3000) for start in range(0, 15_000, 3000)]
    assert [len(pack.groups) for pack in pack_groups(groups, SHARDS)] == [3, 2]
    assert pack_groups([], SHARDS) == []


def test_removals_carry_the_id_of_their_survivor() -> None:
    (pack,) = pack_groups([np.array([1, 2]), np.array([5, 6])], SHARDS, frozenset({6}))
    standing = {n: Standing(quality=n / 10, length=1, id=f"d{n}") for n in (1, 2, 5, 6)}
    removals = verify(pack, standing, lambda leader, others: np.ones(len(others)), 0.5)
    assert [(one.number, one.survivor, one.survivor_id) for one in removals] == [(1, 2, "d2"), (5, 6, "d6")]
