from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.cleaning.labelled_corpus import ORIGINAL, Document
from benchmarks.cleaning.scores import score

DOCUMENTS = [
    Document("a", "", "a", ORIGINAL),
    Document("a1", "", "a", "edit"),
    Document("a2", "", "a", "shuffle"),
    Document("b", "", "b", ORIGINAL),
    Document("b1", "", "b", "edit"),
    Document("c", "", "c", ORIGINAL),
]


def test_it_does_not_matter_which_one_of_an_origin_stays() -> None:
    for survivors in ({"a1": "a", "a2": "a", "b1": "b"}, {"a": "a2", "a1": "a2", "b": "b1"}):
        found = score(DOCUMENTS, survivors)
        assert (found.precision, found.recall) == (1.0, 1.0)


def test_what_is_left_beside_the_stand_in_of_the_original_is_missed() -> None:
    found = score(DOCUMENTS, {"a2": "a1", "b1": "b"})
    assert found.missed == {"a1": "edit"}
    assert found.recall == 1 - 1 / 3
    assert found.recall_by_kind() == {"edit": 0.5, "shuffle": 1.0}


def test_a_removal_for_another_origin_is_wrong_and_the_copy_is_missed_too() -> None:
    found = score(DOCUMENTS, {"a1": "a", "a2": "c", "c": "b", "b1": "b"})
    assert found.wrong == {"a2": "c", "c": "b"}
    assert found.precision == 0.5
    assert found.missed == {"a2": "shuffle"}


@given(st.dictionaries(st.sampled_from(["a1", "a2", "b1"]), st.just(None)))
def test_without_wrong_removals_what_is_not_removed_is_missed(removed: dict[str, None]) -> None:
    found = score(DOCUMENTS, {name: name[0] for name in removed})
    assert found.precision == 1.0
    assert len(found.missed) == found.surplus - found.removed
