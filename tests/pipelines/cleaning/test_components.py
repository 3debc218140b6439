"""Connected components."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipelines.cleaning.components import components

EDGES = st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)), max_size=30)


def _reachable(start: int, edges: list[tuple[int, int]]) -> set[int]:
    found, grown = {start}, True
    while grown:
        grown = False
        for a, b in edges:
            if (a in found) != (b in found):
                found |= {a, b}
                grown = True
    return found


@given(EDGES)
def test_components_are_what_can_be_reached(edges: list[tuple[int, int]]) -> None:
    expected = sorted({tuple(sorted(_reachable(node, edges))) for node in range(20)})
    found = [tuple(group.tolist()) for group in components(np.array(edges, dtype=np.int64).reshape(-1, 2))]
    assert found == [group for group in expected if len(group) > 1]


@given(EDGES, st.randoms())
def test_the_order_of_edges_does_not_matter(edges: list[tuple[int, int]], random: object) -> None:
    shuffled = [(b, a) for a, b in edges]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = (components(np.array(given, dtype=np.int64).reshape(-1, 2)) for given in (edges, shuffled))
    assert [g.tolist() for g in one] == [g.tolist() for g in other]
