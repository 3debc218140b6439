"""Bodies before a route sees them."""

from __future__ import annotations

import asyncio
from typing import Any

from serve_apps.gateway.middleware import LimitBody


def body_through(pieces: int, limit: int) -> tuple[list[bytes], list[dict[str, Any]]]:
    """What the application got of a body of single bytes, and what was answered before it."""
    seen: list[bytes] = []
    sent: list[dict[str, Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append((await receive())["body"])

    async def session() -> None:
        left = pieces

        async def receive() -> dict[str, Any]:
            nonlocal left
            left -= 1
            return {"type": "http.request", "body": b"x", "more_body": left > 0}

        async def send(message: Any) -> None:
            sent.append(message)

        await LimitBody(app, max_bytes=limit)({"type": "http", "headers": []}, receive, send)

    asyncio.run(session())
    return seen, sent


def test_a_body_in_single_bytes_arrives_whole() -> None:
    """Each piece had all before it counted again, so that a large body took minutes and ended as a 408."""
    assert body_through(400_000, 1 << 20) == ([b"x" * 400_000], [])


def test_pieces_are_counted() -> None:
    seen, sent = body_through(101, 100)
    assert not seen and sent[0]["status"] == 413
