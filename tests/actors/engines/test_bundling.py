"""How often text goes out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from hypothesis import given
from hypothesis import strategies as st

from actors.engines.bundling import BUNDLE_S, bundle_s, bundled
from actors.engines.protocol import Delta, TokenLogprob


@given(st.integers(min_value=0, max_value=10_000))
def test_more_streams_send_less_often_each_and_never_stall(streams: int) -> None:
    assert BUNDLE_S <= bundle_s(streams) <= bundle_s(streams + 1) <= 0.1


def test_sixteen_streams_send_twenty_times_a_second() -> None:
    assert (bundle_s(1), bundle_s(16)) == (BUNDLE_S, 0.05)


def test_joined_pieces_keep_their_log_probabilities() -> None:
    async def pieces() -> AsyncIterator[Delta]:
        for count in range(1, 4):
            yield Delta("a", 1, count, "length" if count == 3 else None, (TokenLogprob(b"a", -count),))

    async def collect() -> list[Delta]:
        return [delta async for delta in bundled(pieces())]

    found = [entry.logprob for delta in asyncio.run(collect()) for entry in delta.logprobs]
    assert found == [-1, -2, -3]
