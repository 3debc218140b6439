"""What every request passes before a route sees it: API keys, the size of its body, and the measuring of its time.

Plain ASGI, because Starlette's BaseHTTPMiddleware hides a client's disconnect from streaming responses.
"""

from __future__ import annotations

import asyncio
import time
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve_apps.gateway.errors import ApiError
from serve_apps.gateway.keys import KeyFile
from serve_apps.gateway.metrics import GatewayMetrics

NO_MODEL = "none"
CLIENT_GONE = 499  # no status is sent then; nginx's number for it, in the metrics only


class RequireKey:
    """Answer 401 unless the request brings a known key as `Authorization: Bearer ...`."""

    def __init__(self, app: ASGIApp, keys: KeyFile) -> None:
        self.app = app
        self.keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        scheme, _, key = Headers(scope=scope).get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            refusal = _unauthorized("no API key: send it as `Authorization: Bearer KEY`")
        elif self.keys.owner(key.strip()) is None:
            refusal = _unauthorized("this API key is not known here")
        else:
            return await self.app(scope, receive, send)
        await refusal.response()(scope, receive, send)


class LimitBody:
    """Answer 413 to a body above `max_bytes`, however it is sent; smaller ones reach the route whole."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self.app = app
        self.max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        body: list[bytes] = []
        size = _content_length(scope)
        more = size <= self.max_bytes
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body.append(message.get("body", b""))
            size = max(size, sum(map(len, body)))
            more = message.get("more_body", False) and size <= self.max_bytes
        if size > self.max_bytes:
            await _too_large(self.max_bytes).response()(scope, receive, send)
            return
        await self.app(scope, _replay(b"".join(body), receive), send)


class Measure:
    """Count each request and its seconds; a route names its model in `request.state.model`."""

    def __init__(self, app: ASGIApp, metrics: GatewayMetrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        began, status = time.perf_counter(), 0
        state = scope.setdefault("state", {})

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, watch)
        except asyncio.CancelledError:  # Serve cancels a request whose client has gone
            status = status or CLIENT_GONE
            raise
        finally:
            route = scope.get("route")  # absent when nothing matched: a client can't invent label values
            self.metrics.answered(
                model=state.get("model", NO_MODEL),
                route=getattr(route, "path", "none"),
                status=status or HTTPStatus.INTERNAL_SERVER_ERROR.value,
                seconds=time.perf_counter() - began,
            )


def _unauthorized(message: str) -> ApiError:
    headers = {"WWW-Authenticate": "Bearer"}
    return ApiError(HTTPStatus.UNAUTHORIZED, message, code="invalid_api_key", headers=headers)


def _too_large(limit: int) -> ApiError:
    return ApiError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is larger than {limit} bytes", code="body_too_large"
    )


def _content_length(scope: Scope) -> int:
    text = Headers(scope=scope).get("content-length", "0")
    return int(text) if text.isdecimal() else 0


def _replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body once, and afterwards waits for what the server says (the disconnect)."""
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return pending.pop() if pending else await receive()

    return replay
