"""Numbers and Latin words."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from pipelines.cleaning.anchors import anchor_jaccard, anchor_overlap, anchors


def test_numbers_and_words_are_found_whatever_their_width() -> None:
    assert anchors("７月24日，iPhone 15 售 5,999.50 元，2024-01-02") == {
        "7",
        "24",
        "iphone",
        "15",
        "5",
        "999.50",
        "2024-01-02",
    }
    assert anchors("没有数字") == frozenset()


def test_a_part_overlaps_fully_but_has_less_in_common() -> None:
    whole, part = anchors("一共 100 元，其中 30 元是运费"), anchors("一共 100 元")
    assert anchor_overlap(whole, part) == 1
    assert anchor_jaccard(whole, part) == 0.5


def test_texts_without_anchors_agree() -> None:
    assert anchor_jaccard(frozenset(), frozenset()) == anchor_overlap(frozenset(), frozenset({"7"})) == 1
    assert anchor_jaccard(frozenset(), frozenset({"7"})) == 0


@given(st.text(st.sampled_from("中１2a.B：:/-，。（①²Ⅷ㎡…\u0301%％ “ａ"), max_size=30))
def test_what_is_left_out_before_the_folding_takes_nothing_away(text: str) -> None:
    """Chinese and its punctuation only part anchors; a full stop in the place of one does the same."""
    assert anchors(text) == anchors(unicodedata.normalize("NFKC", text))
