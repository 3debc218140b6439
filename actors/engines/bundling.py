"""Fewer and larger deltas: every one wakes the event loops of the processes on its way, which costs throughput."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import replace

from actors.engines.protocol import Delta, TokenLogprob

BUNDLE_S = 0.015
_MOST_A_SECOND = 320  # of all streams together; a delta takes other processes about a third of a millisecond
_MOST_S = 0.1  # a reader sees text flow up to here


def bundle_s(streams: int) -> float:
    """Seconds between two deltas of a stream, of so many that one model serves at the same time."""
    return min(max(BUNDLE_S, streams / _MOST_A_SECOND), _MOST_S)


async def bundled(deltas: AsyncIterator[Delta]) -> AsyncIterator[Delta]:
    """The first text at once, then at most one delta every 15 ms. Counts and the reason are those of the last piece."""
    text, sent_at = "", float("-inf")
    logprobs: tuple[TokenLogprob, ...] = ()
    async for delta in deltas:
        text += delta.text
        logprobs += delta.logprobs
        now = time.monotonic()
        if delta.finish_reason is not None or (text and now - sent_at >= BUNDLE_S):
            yield replace(delta, text=text, logprobs=logprobs)
            text, logprobs, sent_at = "", (), now
