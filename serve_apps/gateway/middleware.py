"""What every request passes before a route sees it: API keys, and the size and pace of its body.

Plain ASGI, because Starlette's BaseHTTPMiddleware hides a client's disconnect from streaming responses.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve_apps.gateway.errors import ApiError
from serve_apps.gateway.keys import KeyFile

# Of a body that comes in pieces. Other applications take it too.
BODY_TIMEOUT_S = 30.0


class RequireKey:
    """Answer 401 unless the request brings a known key as `Authorization: Bearer ...`.

    The key's line (ApiKey) becomes `request.state.api_key`.
    """

    def __init__(self, app: ASGIApp, keys: KeyFile) -> None:
        self.app = app
        self.keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        scheme, _, key = Headers(scope=scope).get("authorization", "").partition(" ")
        found = self.keys.find(key.strip())
        if scheme.lower() != "bearer" or not key.strip():
            refusal = _unauthorized("no API key: send it as `Authorization: Bearer KEY`")
        elif found is None:
            refusal = _unauthorized("this API key is not known here")
        else:
            scope.setdefault("state", {})["api_key"] = found
            return await self.app(scope, receive, send)
        await refusal.response()(scope, receive, send)


class LimitBody:
    """Answer 413 to a body above `max_bytes`, however it is sent, and 408 to one that takes longer than `timeout_s`.

    Others reach the route whole.
    """

    def __init__(self, app: ASGIApp, max_bytes: int, timeout_s: float = BODY_TIMEOUT_S) -> None:
        self.app = app
        self.max_bytes = max_bytes
        self.timeout_s = timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        try:
            async with asyncio.timeout(self.timeout_s):
                body = await self._read(scope, receive)
        except TimeoutError:
            await _too_slow(self.timeout_s).response()(scope, receive, send)
        except ApiError as error:
            await error.response()(scope, receive, send)
        else:
            if body is not None:
                await self.app(scope, _replay(body, receive), send)

    async def _read(self, scope: Scope, receive: Receive) -> bytes | None:
        """The whole body; None when the client has gone before its end."""
        body: list[bytes] = []
        announced, size, more = _content_length(scope), 0, True
        while more and max(announced, size) <= self.max_bytes:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body.append(message.get("body", b""))
            size += len(body[-1])
            more = message.get("more_body", False)
        if max(announced, size) > self.max_bytes:
            raise _too_large(self.max_bytes)
        return b"".join(body)


def _unauthorized(message: str) -> ApiError:
    headers = {"WWW-Authenticate": "Bearer"}
    return ApiError(HTTPStatus.UNAUTHORIZED, message, code="invalid_api_key", headers=headers)


def _too_large(limit: int) -> ApiError:
    return ApiError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is larger than {limit} bytes", code="body_too_large"
    )


def _too_slow(limit_s: float) -> ApiError:
    # The rest of the body may still come: the connection can't be used for another request.
    message, headers = f"the body took more than {limit_s:g} s to arrive", {"Connection": "close"}
    return ApiError(HTTPStatus.REQUEST_TIMEOUT, message, code="body_too_slow", headers=headers)


def _content_length(scope: Scope) -> int:
    text = Headers(scope=scope).get("content-length", "0")
    return int(text) if text.isdecimal() else 0


def _replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body once, and afterwards waits for what the server says (the disconnect)."""
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return pending.pop() if pending else await receive()

    return replay
