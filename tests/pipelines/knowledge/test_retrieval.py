import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.knowledge.retrieval import Ranks, choose_dense_weight, choose_threshold, rank_of


def test_recall_and_reciprocal_rank() -> None:
    ranks = Ranks((1, 3, None, 20))
    assert (ranks.recall(1), ranks.recall(5)) == (0.25, 0.5)
    assert ranks.reciprocal(10) == pytest.approx((1 + 1 / 3) / 4)
    assert Ranks(()).recall(1) == 0


def test_chunks_of_one_document_take_one_place() -> None:
    assert rank_of("b", ["a", "a", "a", "b"]) == 2
    assert rank_of("c", ["a", "b"]) is None


def test_the_lightest_weight_among_equals_is_chosen() -> None:
    ranks = {0.0: Ranks((1, 2)), 0.1: Ranks((1, 1)), 0.5: Ranks((1, 1)), 1.0: Ranks((2, 2))}
    assert choose_dense_weight(ranks) == 0.1


@given(st.lists(st.floats(0, 1), min_size=1, max_size=200), st.floats(0, 0.5))
def test_threshold_lets_no_more_than_its_share_pass(scores: list[float], passes: float) -> None:
    threshold = choose_threshold(scores, passes)
    assert 0 <= threshold <= 1
    passed = sum(score >= threshold for score in scores)
    assert passed <= passes * len(scores) or threshold == 1.0
