"""Benchmark passages in documents: found in every disguise of form, and not where only the subject is the same."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.cleaning.decontamination import TEMPLATE_PASSAGES, Finder, Held, index_keys, is_latin, weight
from pipelines.cleaning.keys import comparison_key

GRAMS = 13
CHARACTERS = (
    "的一是不了人在有我他这为之大来以个中上们到说国和地也子时道出而要于就下得可你年生自会那后能对着事其里所去行过家十用发天如然作方成者"
    "多日都三小军二无同么经法当起与好看学进种将还分此心前面又定见只主没公从"
)
CONTEXT = (
    "银行卡丢失后请先在手机上挂失以免被人盗用随后带着身份证到任意网点"
    "补办并填写申请表新卡大约三个工作日寄到而旧卡立即失效"
)
QUESTION = "银行卡丢失以后应当先在手机上做什么"
ENGLISH = "Which of the following gases makes up most of the atmosphere of the earth at the level of the sea?"


def _finder(*keys: str, overlap: float = 0.5, size: int = GRAMS) -> Finder:
    return Finder(index_keys([comparison_key(key) for key in keys], size), overlap)


def _random_text(seed: int, length: int) -> str:
    return "".join(random.Random(seed).choices(CHARACTERS, k=length))


@pytest.mark.parametrize(
    "text",
    [
        f"前面的话。{CONTEXT}。后面的话。",
        "【题目】" + "，".join(CONTEXT[place : place + 7] for place in range(0, len(CONTEXT), 7)) + "（选自某报）",
        "\n".join(CONTEXT),
        "前言" + CONTEXT.replace("后", "後").replace("银", "銀").replace("机", "機") + "尾声",
        CONTEXT[: len(CONTEXT) // 2] + "噪" + CONTEXT[len(CONTEXT) // 2 :],
        CONTEXT[10:55],
    ],
)
def test_a_passage_is_found_in_a_document(text: str) -> None:
    held = _finder(_random_text(1, 90), CONTEXT).find(comparison_key(text))
    assert held is not None
    assert held.passage == 1


@pytest.mark.parametrize("text", [f"问：{QUESTION}？答：挂失。", QUESTION, " ".join(QUESTION)])
def test_a_short_passage_is_found_as_a_whole(text: str) -> None:
    assert _finder(QUESTION).find(comparison_key(text)) == Held(0, 1.0)


@pytest.mark.parametrize("text", ["银行卡丢失以后应当先在窗口做什么", QUESTION[:-1], QUESTION[1:], "银行卡", ""])
def test_a_part_of_a_short_passage_is_a_phrase(text: str) -> None:
    assert _finder(QUESTION).find(comparison_key(text)) is None


def test_a_short_document_is_no_excerpt_of_a_long_passage() -> None:
    finder = _finder(CONTEXT)
    assert finder.find(CONTEXT[10:34]) is None
    assert finder.find(CONTEXT[10:40]) is not None


def test_the_share_is_that_of_the_passage_and_the_threshold_holds() -> None:
    part = CONTEXT[: GRAMS - 1 + 20] + _random_text(2, 300)
    total = len(CONTEXT) - GRAMS + 1
    held = _finder(CONTEXT, overlap=0.4).find(part)
    assert held is not None
    assert held.share == pytest.approx(20 / total)
    assert _finder(CONTEXT, overlap=0.5).find(part) is None


def test_of_several_passages_the_one_held_most_is_named() -> None:
    finder = _finder(CONTEXT[:40] + _random_text(3, 20), CONTEXT, CONTEXT[:30] + _random_text(4, 20))
    assert finder.find(CONTEXT + "尾声") == Held(1, 1.0)


def test_wording_that_many_passages_share_does_not_count() -> None:
    template = "请根据上面的材料回答下列问题并且说明你的理由和依据"
    questions = [template + _random_text(seed, 12) for seed in range(TEMPLATE_PASSAGES + 1)]
    finder = _finder(*questions)
    assert finder.find(template + _random_text(99, 200)) is None
    assert finder.find("卷首" + questions[3] + "卷尾") == Held(3, 1.0)
    assert _finder(*questions[:-1]).find(template + _random_text(99, 200)) is not None


def test_an_index_of_nothing_finds_nothing() -> None:
    assert Finder(index_keys([], GRAMS), 0.5).find(CONTEXT) is None
    assert Finder(index_keys([""], GRAMS), 0.5).find(CONTEXT) is None


def test_letters_count_a_third_and_have_longer_grams() -> None:
    assert weight("银行卡") == 3
    assert weight("abcdef") == 2
    assert weight("银行card12") == 4
    assert is_latin(comparison_key(ENGLISH), GRAMS)
    assert not is_latin("shortenglish", GRAMS)
    assert not is_latin(CONTEXT + "abc", GRAMS)


def test_english_is_found_by_long_grams_and_common_phrases_are_not() -> None:
    finder = _finder(ENGLISH, size=3 * GRAMS)
    assert finder.find(comparison_key(f"Quiz. {ENGLISH.upper()} Answer: nitrogen.")) is not None
    other = "Which of the following gases burns best? The atmosphere of the earth at the level of the sea is dense."
    assert finder.find(comparison_key(other)) is None


KEYS = st.lists(st.text(st.sampled_from("甲乙丙"), min_size=13, max_size=40), min_size=1, max_size=8, unique=True)


@given(KEYS, st.text(st.sampled_from("甲乙丙"), max_size=80), st.randoms(use_true_random=False))
def test_the_order_of_the_passages_makes_no_difference(keys: list[str], text: str, shuffler: random.Random) -> None:
    shuffled = shuffler.sample(keys, len(keys))
    one, other = Finder(index_keys(keys, 5), 0.5).find(text), Finder(index_keys(shuffled, 5), 0.5).find(text)
    assert (one is None) == (other is None)
    if one is not None and other is not None:
        assert one.share == other.share


@given(KEYS, st.text(st.sampled_from("甲乙丙"), max_size=80))
def test_it_agrees_with_counting_by_hand(keys: list[str], text: str) -> None:
    size = 5
    sets = [{key[place : place + size] for place in range(len(key) - size + 1)} for key in keys]
    often = {gram for gram in set().union(*sets) if sum(gram in other for other in sets) > TEMPLATE_PASSAGES}
    grams = {text[place : place + size] for place in range(len(text) - size + 1)}
    best = 0.0
    for of_key in sets:
        total = len(of_key - often)
        whole = min(total, len(grams)) if len(grams) > size else total
        share = len((of_key - often) & grams) / whole if whole else 0.0
        if share >= (1.0 if whole <= size else 0.5):
            best = max(best, share)
    held = Finder(index_keys(keys, size), 0.5).find(text)
    assert (held.share if held else 0.0) == pytest.approx(best)


@given(st.integers(0, 1000), st.integers(30, 120), st.integers(0, 400), st.integers(0, 400))
def test_a_planted_passage_is_found_wherever_it_stands(seed: int, length: int, before: int, after: int) -> None:
    passage = _random_text(seed, length)
    document = _random_text(seed + 1, before) + passage + _random_text(seed + 2, after)
    assert _finder(passage).find(document) == Held(0, 1.0)
    assert _finder(passage).find(_random_text(seed + 3, 600)) is None


def test_the_index_is_ascending_and_counts_each_gram_of_a_passage_once() -> None:
    index = index_keys(["甲乙甲乙甲乙甲乙", "乙甲乙甲丙"], 3)
    assert np.array_equal(index.grams, np.sort(index.grams))
    assert index.totals.tolist() == [2, 3]
    assert len(index.grams) == 5
