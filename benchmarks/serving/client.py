"""A client of the gateway that reads streams and notes when each piece came."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp


@dataclass(frozen=True)
class Streamed:
    """An answer: seconds to its first text and to its end, its tokens, and what went wrong (empty when nothing did).

    `began` says whether any text had come.
    """

    first_s: float
    seconds: float
    tokens: int
    error: str = ""
    began: bool = True


async def stream_chat(session: aiohttp.ClientSession, url: str, body: dict[str, Any]) -> Streamed:
    """One streamed chat answer; an error is noted, never raised."""
    began, first, tokens, done = time.perf_counter(), 0.0, 0, False
    asked = {**body, "stream": True, "stream_options": {"include_usage": True}}
    error = ""
    try:
        async with session.post(f"{url}/chat/completions", json=asked) as answer:
            if answer.status != 200:
                error = f"status {answer.status}: {(await answer.text())[:200]}"
            async for line in answer.content:
                if not line.startswith(b"data: {"):
                    done = done or line.startswith(b"data: [DONE]")
                    continue
                piece = json.loads(line[6:])
                if "error" in piece:
                    error = f"event: {piece['error']['message']}"
                elif piece.get("usage"):
                    tokens = piece["usage"]["completion_tokens"]
                elif not first and piece["choices"] and piece["choices"][0]["delta"].get("content"):
                    first = time.perf_counter() - began
    except (aiohttp.ClientError, TimeoutError, OSError) as problem:
        error = f"{type(problem).__name__}: {problem}"
    if not error and not done:
        error = "the stream broke off"
    return Streamed(first, time.perf_counter() - began, tokens, error, first > 0)


async def stream_all(
    url: str, bodies: Sequence[dict[str, Any]], headers: dict[str, str] | None = None
) -> list[Streamed]:
    """All at once, each over a connection of its own."""
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=600)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, headers=headers) as session:
        return list(await asyncio.gather(*(stream_chat(session, url, body) for body in bodies)))
