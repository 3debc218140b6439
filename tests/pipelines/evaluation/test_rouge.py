from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.evaluation.rouge import exact_match, lcs_length, rouge_l, tokens

WORDS = st.lists(st.sampled_from("abcd"), max_size=40)


def lcs_by_table(first: list[str], second: list[str]) -> int:
    """The textbook recurrence."""
    row = [0] * (len(second) + 1)
    for a in first:
        before = row[:]
        for j, b in enumerate(second, start=1):
            row[j] = before[j - 1] + 1 if a == b else max(before[j], row[j - 1])
    return row[-1]


@given(WORDS, WORDS)
def test_lcs_agrees_with_the_recurrence(first: list[str], second: list[str]) -> None:
    assert lcs_length(first, second) == lcs_by_table(first, second)


@given(st.text(max_size=30), st.text(max_size=30))
def test_score_lies_between_0_and_1_and_is_symmetric(first: str, second: str) -> None:
    assert 0 <= rouge_l(first, second) <= 1
    assert rouge_l(first, second) == rouge_l(second, first)
    assert rouge_l(first, first) == 1
    assert exact_match(first, second) == (rouge_l(first, second) == 1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("套餐每月 59 元。", ["套", "餐", "每", "月", "59", "元"]),
        ("５９元！", ["59", "元"]),
        ("5G套餐 ABC_def", ["5g", "套", "餐", "abc", "def"]),
        ("……", []),
    ],
)
def test_tokens(text: str, expected: list[str]) -> None:
    assert tokens(text) == expected


@pytest.mark.parametrize(
    ("reference", "answer", "score"),
    [
        ("每月五十九元", "每月五十九元。", 1.0),
        ("police killed the gunman", "police kill the gunman", 0.75),  # Lin's own example
        ("police killed the gunman", "the gunman kill police", 0.5),
        ("挂失请拨打客服电话", "请拨打电话", 10 / 14),
        ("每月59元", "每月58元", 0.75),
        ("有", "", 0.0),
        ("", "", 1.0),
    ],
)
def test_scores(reference: str, answer: str, score: float) -> None:
    assert rouge_l(reference, answer) == pytest.approx(score)
