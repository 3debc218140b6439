"""What shards tell the report."""

from __future__ import annotations

import json
import random
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.cleaning.outcome import LENGTHS, Outcome

Note = tuple[str, Any]


def row(number: int, stage: str, reason: str, similarity: float | None) -> dict[str, Any]:
    survivor = None if similarity is None else "s"
    found = {"id": f"d{number}", "stage": stage, "reason": reason, "detail": "why", "text": "text"}
    return {**found, "survivor_id": survivor, "similarity": similarity, "source": "not needed"}


NOTES = st.lists(
    st.one_of(
        st.tuples(st.just("length"), st.integers(0, 30_000)),
        st.tuples(st.just("kept"), st.tuples(st.floats(0, 1), st.sampled_from(["law", None]), st.floats(0, 1))),
        st.tuples(st.just("dropped"), st.sampled_from([("filters", "short", None), ("near", "near duplicate", 0.6)])),
        st.tuples(st.just("dropped"), st.tuples(st.just("near"), st.just("near duplicate"), st.floats(0, 1))),
    ),
    max_size=40,
)


def gather(notes: list[tuple[int, Note]]) -> Outcome:
    outcome = Outcome()
    for number, (kind, value) in notes:
        if kind == "length":
            outcome.note_length(value)
        elif kind == "kept":
            outcome.note_kept(*value)
        else:
            outcome.note_dropped(row(number, *value))
    return outcome


@settings(deadline=None)
@given(NOTES, st.integers(1, 5), st.randoms())
def test_shards_in_any_number_and_order_say_the_same(notes: list[Note], shards: int, chance: random.Random) -> None:
    numbered = list(enumerate(notes))
    parts = [gather(numbered[start::shards]) for start in range(shards)]
    chance.shuffle(parts)
    merged = Outcome()
    for part in parts:
        merged.merge(part)
    assert merged == gather(numbered)


@settings(deadline=None)
@given(NOTES)
def test_it_survives_the_marker_of_its_stage(notes: list[Note]) -> None:
    outcome = gather(list(enumerate(notes)))
    again = Outcome.from_dict(json.loads(json.dumps(outcome.to_dict())))
    assert again == outcome
    again.note_dropped(row(99, "filters", "new", None))  # and can be added to
    assert again.documents == outcome.documents + 1


def test_it_stays_small_however_many_documents_there_are() -> None:
    outcome = gather([(n, ("dropped", ("filters", "short", None))) for n in range(5000)])
    outcome.merge(gather([(n, ("dropped", ("near", "near duplicate", n / 5000))) for n in range(5000)]))
    assert len(json.dumps(outcome.to_dict())) < 5000
    assert outcome.documents == 10_000
    assert [pair["id"] for pair in outcome.pairs["near"]] == ["d0", "d1", "d2", "d3"]


def test_lengths_are_counted_where_their_bar_begins() -> None:
    outcome = gather([(0, ("length", 19)), (1, ("length", 20)), (2, ("length", 10_000_000))])
    assert [LENGTHS[place] for place, count in enumerate(outcome.lengths) if count] == [0, 20, 10_000]


def test_a_share_is_counted_where_its_hundredth_begins() -> None:
    outcome = gather([(n, ("kept", (float(np.float32(n / 100)), "law", 1.0))) for n in range(101)])
    assert outcome.qualities == [1] * 99 + [2]
    assert outcome.domain_scores[99] == 101


def test_stages_of_their_own_are_shown_where_they_dropped_something() -> None:
    assert list(Outcome().by_stage()) == ["read", "filters", "exact", "near", "semantic", "domain"]
    dropped = gather([(0, ("dropped", ("pii", "identity number", None))), (1, ("dropped", ("near", "n", 0.9)))])
    assert dropped.by_stage()["pii"] == 1 and "decontaminate" not in dropped.by_stage()
    assert [stage for (stage, _), _ in dropped.reasons()] == ["pii", "near"]
