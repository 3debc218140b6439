"""Which matches count, and replacing them."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pipelines.cleaning.matches import Match, blank, replace, without_overlaps

KINDS = ("a", "b")
SOME = st.lists(
    st.builds(lambda kind, start, size: Match(kind, start, start + size), st.sampled_from(KINDS),
              st.integers(0, 30), st.integers(1, 10)), max_size=12
)  # fmt: skip


def test_the_longest_counts_and_then_the_first_kind() -> None:
    assert without_overlaps([Match("a", 0, 4), Match("b", 2, 8)], KINDS) == [Match("b", 2, 8)]
    assert without_overlaps([Match("b", 2, 6), Match("a", 0, 4)], KINDS) == [Match("a", 0, 4)]
    assert without_overlaps([Match("a", 4, 8), Match("b", 0, 4)], KINDS) == [Match("b", 0, 4), Match("a", 4, 8)]


@given(SOME)
def test_what_is_left_is_in_order_and_every_other_match_touches_it(matches: list[Match]) -> None:
    kept = without_overlaps(matches, KINDS)
    assert all(left.end <= right.start for left, right in pairwise(kept))
    for match in matches:
        assert any(k.start < match.end and match.start < k.end and len(k) >= len(match) for k in kept)


@given(st.text("甲乙丙", min_size=40, max_size=40), SOME)
def test_replacing_leaves_the_rest(text: str, matches: list[Match]) -> None:
    kept = without_overlaps(matches, KINDS)
    rest = "".join(c for place, c in enumerate(text) if not any(m.start <= place < m.end for m in kept))
    assert replace(text, kept, {"a": "X", "b": "Y"}).replace("X", "").replace("Y", "") == rest
    blanked = blank(text, kept, "#")
    assert len(blanked) == len(text)
    assert blanked.replace("#", "") == rest
