"""Texts laid end to end give what each gives by itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.cleaning import concatenation
from pipelines.cleaning.advertising import advertising_signs, find_advertising
from pipelines.cleaning.characters import to_text
from pipelines.cleaning.concatenation import Concatenation, in_runs
from pipelines.cleaning.keys import comparison_key, comparison_keys
from pipelines.cleaning.minhash import shingles, sketch
from pipelines.cleaning.screening import documents_of
from pipelines.cleaning.statistics import measure

_TEXTS = st.lists(
    st.text(
        st.one_of(st.characters(codec="utf-8"), st.sampled_from("開戶ＡＢ，é½㎏加微信群！!买一送“”折")), max_size=30
    ),
    max_size=5,
)


@given(_TEXTS)
def test_texts_are_split_as_they_were_joined(texts: list[str]) -> None:
    laid = Concatenation.of(texts)
    assert [to_text(points) for points in laid.split()] == texts
    again = Concatenation.join(laid.split())
    assert (again.points.tolist(), again.lengths.tolist()) == (laid.points.tolist(), laid.lengths.tolist())


@given(_TEXTS)
def test_kinds_are_counted_for_each_text(texts: list[str]) -> None:
    laid = Concatenation.of(texts)
    counts = laid.count((laid.points % 3).astype(np.uint8), 3)
    assert counts.tolist() == [[sum(ord(c) % 3 == kind for c in text) for kind in range(3)] for text in texts]


@settings(deadline=None)  # the first call makes the tables
@given(_TEXTS)
def test_keys_and_signs_are_those_of_each_text(texts: list[str]) -> None:
    laid = Concatenation.of(texts)
    assert [to_text(points) for points in comparison_keys(texts, laid).split()] == list(map(comparison_key, texts))
    assert find_advertising(texts, laid) == list(map(advertising_signs, texts))


@settings(deadline=None)
@given(_TEXTS)
def test_a_document_does_not_depend_on_its_neighbours(texts: list[str]) -> None:
    for text, document in zip(texts, documents_of(texts), strict=True):
        grams = shingles(comparison_key(text))
        assert (document.text, document.key) == (text, comparison_key(text))
        assert document.sketch.tolist() == sketch(grams).tolist()
        assert document.statistics == measure(text, len(document.key), len(grams))


def test_runs_are_bounded_and_leave_nothing_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(concatenation, "MOST_CHARACTERS", 4)
    texts = ["ab", "", "cd", "e", "abcdefgh", "", "x"]
    runs = [list(run) for run in in_runs(texts)]
    assert runs == [["ab", "", "cd"], ["e"], ["abcdefgh"], ["", "x"]]
    assert list(in_runs([])) == []
