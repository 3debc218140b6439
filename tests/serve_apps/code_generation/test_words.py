"""Words of both languages, and how similar texts are."""

from __future__ import annotations

import pytest

from serve_apps.code_generation.words import Similarity, is_chinese, stem, tokens


@pytest.mark.parametrize("words", [("sort", "sorted", "sorting", "sorts"), ("count", "counting", "counts", "counted")])
def test_forms_of_a_word_have_one_stem(words: tuple[str, ...]) -> None:
    assert len({stem(word) for word in words}) == 1


def test_identifiers_are_split_and_chinese_is_paired() -> None:
    assert tokens("isPrime sum_of_digits") == [stem("prime"), stem("sum"), stem("digits")]
    assert tokens("二分查找") == ["二分", "分查", "查找"]


def test_words_that_say_nothing_are_left_out() -> None:
    assert tokens("Write a function to find the") == []
    assert tokens("编写函数") == ["写函"]


def test_similarity_prefers_the_document_with_the_rare_words() -> None:
    similarity = Similarity([["sort", "list"], ["sum", "list"], ["prime", "number"]])
    scores = similarity.scores(["prime", "list"])
    assert scores.index(max(scores)) == 2
    assert all(0 <= score <= 1 for score in scores)
    assert similarity.scores(["unknown"]) == [0.0, 0.0, 0.0]
    assert similarity.scores(["sort", "list"])[0] == pytest.approx(1.0)


def test_chinese_is_told_by_its_characters() -> None:
    assert is_chinese("求和 sum") and not is_chinese("sum, please")
