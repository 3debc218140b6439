"""Unique ids."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipelines.cleaning.identifiers import rename_repeated


def test_the_first_keeps_its_id_and_taken_names_are_avoided() -> None:
    assert rename_repeated(["a", "a", "a~2", "b", "a"]) == {1: "a~3", 4: "a~4"}
    assert rename_repeated(["a", "b"]) == {}


@given(st.lists(st.sampled_from(["a", "b", "a~2", "a~3", "a~2~2"])))
def test_all_ids_are_different_afterwards(ids: list[str]) -> None:
    renamed = rename_repeated(ids)
    after = [renamed.get(place, identifier) for place, identifier in enumerate(ids)]
    assert len(set(after)) == len(ids)
    assert set(ids) <= set(after)
