import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.knowledge_base.relevance import TermWeights, blend

words = st.lists(st.sampled_from("abcdefgh"), max_size=8)


def test_weight_is_bm25_inverse_document_frequency() -> None:
    weights = TermWeights(10, {"a": 3})
    assert weights.weight("a") == pytest.approx(math.log(1 + 7.5 / 3.5))
    assert weights.weight("unseen") > weights.weight("a")


@given(words, words)
def test_coverage_is_a_share(question: list[str], passage: list[str]) -> None:
    coverage = TermWeights(8, {"a": 8, "b": 4}).coverage(question, passage)
    assert 0 <= coverage < 1
    assert (coverage > 0) == bool(set(question) & set(passage))


def test_rare_terms_count_more() -> None:
    weights = TermWeights(100, {"common": 90, "rare": 1})
    both = weights.coverage(["common", "rare"], ["common", "rare"])
    assert weights.coverage(["common", "rare"], ["rare"]) > 0.9 * both


def test_a_long_question_that_is_covered_is_more_evidence_than_a_short_one() -> None:
    weights = TermWeights(100, dict.fromkeys("abcdef", 2))
    assert weights.coverage("abcdef", "abcdef") > weights.coverage("a", "a")


@given(st.floats(0, 1), st.floats(-1, 1), st.floats(0, 10))
def test_blend_stays_in_range(coverage: float, cosine: float, weight: float) -> None:
    assert 0 <= blend(coverage, cosine, weight) <= 1 + 1e-9


def test_blend_without_dense_arm_is_coverage() -> None:
    assert blend(0.3, 0.9, 0.0) == 0.3
