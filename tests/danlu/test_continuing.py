from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from danlu.continuing import removal_order


@given(st.sets(st.sampled_from(["_state", "config.yaml", "lineage.json", "clean", "zeta", "report.json"])))
def test_markers_go_first_and_the_lineage_last(names: set[str]) -> None:
    ordered = removal_order(sorted(names))
    assert set(ordered) == names
    whole = [name for name in ("_state", "config.yaml", "lineage.json") if name in names]
    assert [name for name in ordered if name in whole] == whole
    if "_state" in names:
        assert ordered[0] == "_state"
    if "lineage.json" in names:
        assert ordered[-1] == "lineage.json"
