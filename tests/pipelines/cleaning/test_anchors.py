"""Numbers and Latin words."""

from __future__ import annotations

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
