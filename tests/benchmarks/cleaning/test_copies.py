from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.cleaning.copies import (
    KINDS,
    boilerplate,
    edit,
    paraphrase,
    shuffle,
    split_sentences,
    traditional,
    truncation,
)
from benchmarks.cleaning.news import exact_jaccard

NEWS = (
    "记者从市交通局获悉，目前全市共有公交线路一百二十条。未来三年，有关部门将继续推动新能源车辆的使用。"
    "据介绍，去年以来已经完成更新八百辆，今年还将更新五百辆。市民表示，出行时间明显缩短，希望进一步增加夜班车。"
)  # fmt: skip
ENGLISH = "The river rose overnight. Two bridges were closed. Nobody was hurt, the mayor said."


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_always_makes_the_same_copy(kind: str) -> None:
    assert KINDS[kind](NEWS, Random(3)) == KINDS[kind](NEWS, Random(3))


@given(st.integers(0, 10**6))
def test_truncation_keeps_the_first_half_or_more(seed: int) -> None:
    copy = truncation(NEWS, Random(seed))
    assert NEWS.startswith(copy)
    assert 0.5 * len(NEWS) - 1 <= len(copy) <= 0.9 * len(NEWS)


@given(st.integers(0, 10**6))
def test_boilerplate_surrounds_the_text(seed: int) -> None:
    copy = boilerplate(NEWS, Random(seed))
    assert NEWS in copy
    assert copy != NEWS
    assert "{" not in copy


@given(st.integers(0, 10**6))
def test_an_edited_copy_stays_close(seed: int) -> None:
    assert 0.4 < exact_jaccard(edit(NEWS, Random(seed)), NEWS) <= 1


@given(st.integers(0, 10**6))
def test_shuffling_keeps_the_sentences(seed: int) -> None:
    copy = shuffle(NEWS, Random(seed))
    assert copy is None or sorted(split_sentences(copy)) == sorted(split_sentences(NEWS))


@given(st.text())
def test_sentences_put_together_are_the_text(text: str) -> None:
    assert "".join(split_sentences(text)) == text


def test_a_paraphrase_has_other_words_and_is_for_chinese_only() -> None:
    copy = paraphrase(NEWS, Random(0))
    assert copy is not None
    assert exact_jaccard(copy, NEWS) < 0.7
    assert paraphrase(ENGLISH, Random(0)) is None


def test_kinds_that_do_not_suit_a_text_say_so() -> None:
    assert traditional(ENGLISH, Random(0)) is None
    assert shuffle("只有一句话。", Random(0)) is None
