from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.networks.blocks import KINDS, expand_blocks


@pytest.mark.parametrize(
    ("pattern", "kinds"),
    [
        ("dense", "dddddd"),
        ("dense, sparse*2", "dssdss"),
        ("dense,sparse * 5", None),
        ("dense, sparse*5", "dsssss"),
        (["moe", "dense*2"], "mddmdd"),
        ("moe*6", "mmmmmm"),
    ],
)
def test_a_pattern_is_repeated_to_the_last_layer(pattern: str | list[str], kinds: str | None) -> None:
    if kinds is None:
        with pytest.raises(ValueError, match=r"sizes\.blocks has 'sparse \* 5'"):
            expand_blocks(pattern, 6)
    else:
        assert "".join(kind[0] for kind in expand_blocks(pattern, 6)) == kinds


@given(
    entries=st.lists(st.tuples(st.sampled_from(KINDS), st.integers(1, 4)), min_size=1, max_size=4),
    times=st.integers(1, 3),
)
def test_every_layer_has_the_kind_of_its_place_in_the_pattern(entries: list[tuple[str, int]], times: int) -> None:
    once = [kind for kind, count in entries for _ in range(count)]
    kinds = expand_blocks([f"{kind}*{count}" for kind, count in entries], times * len(once))
    assert len(kinds) == times * len(once)
    assert all(kind == once[place % len(once)] for place, kind in enumerate(kinds))


@pytest.mark.parametrize(
    ("pattern", "rule"),
    [
        ("dense, spare", r"has 'spare': an entry is dense, moe, sparse"),
        ("dense*0", r"has 'dense\*0'"),
        ("", "has ''"),
        ([], r"pattern of 0 layers: sizes\.layers \(6\)"),
        ("dense*4", r"pattern of 4 layers: sizes\.layers \(6\) must be a multiple"),
    ],
)
def test_nonsense_is_named(pattern: str | list[str], rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        expand_blocks(pattern, 6)
