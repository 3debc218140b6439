from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from danlu.continuing import removal_order


@given(st.sets(st.sampled_from(["_state", "config.yaml", "lineage.json", "clean", "zeta", "report.json"])))
def test_what_says_it_ended_goes_first_and_the_lineage_last(names: set[str]) -> None:
    ordered = removal_order(sorted(names))
    assert set(ordered) == names
    first = [name for name in ("_state", "report.json") if name in names]
    last = [name for name in ("config.yaml", "lineage.json") if name in names]
    assert ordered[: len(first)] == first and ordered[len(ordered) - len(last) :] == last
