import itertools

from hypothesis import given
from hypothesis import strategies as st

from actors.knowledge_base.fusion import fuse

rankings = st.lists(st.lists(st.integers(0, 20), unique=True, max_size=10), min_size=2, max_size=2)


@given(rankings)
def test_fusion_orders_every_item_once_by_falling_score(arms: list[list[int]]) -> None:
    fused = fuse(arms, [1.0, 0.5])
    assert {item for item, _ in fused} == set(arms[0]) | set(arms[1])
    assert len(fused) == len({item for item, _ in fused})
    assert all(a[1] >= b[1] for a, b in itertools.pairwise(fused))


@given(rankings)
def test_an_arm_of_weight_zero_only_fills_up(arms: list[list[int]]) -> None:
    fused = [item for item, _ in fuse(arms, [1.0, 0.0])]
    assert fused[: len(arms[0])] == arms[0]


def test_what_both_arms_like_comes_first() -> None:
    assert fuse([["a", "b", "c"], ["b", "d"]], [1.0, 1.0])[0][0] == "b"


def test_a_weak_arm_does_not_lift_its_own_find_above_the_best() -> None:
    """With plain reciprocal-rank fusion `x` (second, and first of the weak arm) would beat `a` (first)."""
    assert next(item for item, _ in fuse([["a", "x", *"bcdefgh"], ["x", *"ijklmno"]], [1.0, 0.02])) == "a"
