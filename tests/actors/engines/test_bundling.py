"""How often text goes out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from actors.engines.bundling import BUNDLE_S, bundle_s


@given(st.integers(min_value=0, max_value=10_000))
def test_more_streams_send_less_often_each_and_never_stall(streams: int) -> None:
    assert BUNDLE_S <= bundle_s(streams) <= bundle_s(streams + 1) <= 0.1


def test_sixteen_streams_send_twenty_times_a_second() -> None:
    assert (bundle_s(1), bundle_s(16)) == (BUNDLE_S, 0.05)
