"""Who stays."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipelines.cleaning.survivors import Removal, Standing, choose_survivors, follow, rank

DOCUMENTS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(1, 4), st.floats(0, 1, allow_nan=False)), min_size=2, max_size=12
)


def _choose(documents: list[tuple[int, int, float]], order: list[int], protected: frozenset[int] = frozenset()):  # type: ignore[no-untyped-def]
    """Survivors of points on a line; similarity is 1 less the distance."""
    standing = {n: Standing(quality, length, f"{n:02d}") for n, (quality, length, _) in enumerate(documents)}
    place = np.array([x for _, _, x in documents])
    ranked = rank(order, standing, protected)
    removals = choose_survivors(ranked, lambda leader, others: 1 - abs(place[others] - place[leader]), 0.8, protected)
    return ranked, removals, place


def test_the_best_is_ranked_first_by_quality_then_length_then_id() -> None:
    documents = [Standing(0.5, 9, "a"), Standing(0.9, 1, "b"), Standing(0.9, 2, "d"), Standing(0.9, 2, "c")]
    assert rank(range(4), dict(enumerate(documents))) == [3, 2, 1, 0]


def test_a_chain_is_not_a_group() -> None:
    _, removals, _ = _choose([(3, 1, 0.0), (2, 1, 0.15), (1, 1, 0.3)], [0, 1, 2])
    assert [(r.number, r.survivor) for r in removals] == [(1, 0)]


@given(DOCUMENTS, st.data())
def test_survivors_do_not_depend_on_the_order(documents: list[tuple[int, int, float]], data: st.DataObject) -> None:
    order = list(range(len(documents)))
    shuffled = data.draw(st.permutations(order))
    assert _choose(documents, order)[1] == _choose(documents, shuffled)[1]


@given(DOCUMENTS)
def test_what_is_dropped_is_like_a_better_one_that_stays_and_those_that_stay_are_unlike(
    documents: list[tuple[int, int, float]],
) -> None:
    ranked, removals, place = _choose(documents, list(range(len(documents))))
    dropped = {removal.number for removal in removals}
    kept = [number for number in ranked if number not in dropped]
    for removal in removals:
        assert removal.survivor in kept
        assert ranked.index(removal.survivor) < ranked.index(removal.number)
        assert 1 - abs(place[removal.number] - place[removal.survivor]) >= 0.8
    for one in kept:
        for other in kept:
            assert one == other or 1 - abs(place[one] - place[other]) < 0.8


@given(DOCUMENTS)
def test_the_protected_are_never_dropped(documents: list[tuple[int, int, float]]) -> None:
    protected = frozenset({0, len(documents) - 1})
    _, removals, _ = _choose(documents, list(range(len(documents))), protected)
    assert not protected & {removal.number for removal in removals}


def test_chains_of_stages_lead_to_the_last_survivor() -> None:
    followed = follow([Removal(5, 4, 1.0, "d"), Removal(4, 2, 0.7, "b"), Removal(9, 8, 0.9, "h")])
    assert followed == [Removal(5, 2, 0.7, "b"), Removal(4, 2, 0.7, "b"), Removal(9, 8, 0.9, "h")]
