"""The outermost layer of the gateway: opens a record for each request, and closes its accounts when it ends."""

from __future__ import annotations

import asyncio
import time
from http import HTTPStatus
from typing import Any
from uuid import uuid4

from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve_apps.gateway.accounts import Accounts, limit_headers, most_tokens
from serve_apps.gateway.audit import AuditLog, audit_line
from serve_apps.gateway.errors import ApiError
from serve_apps.gateway.keys import ApiKey
from serve_apps.gateway.metrics import GatewayMetrics
from serve_apps.request_ids import is_taken
from serve_apps.request_record import RequestRecord, recording
from serve_apps.tracing import Tracing

CLIENT_GONE = 499  # no status is sent then; nginx's number for it, in metrics and audit log only
TIMEOUT_HEADER = "x-request-timeout"
# After the deadline, for the error event to leave. A client that does not read would hold its request open for ever.
_LAST_WORDS_S = 5.0


class Record:
    """Opens a RequestRecord for each request; when it has left, counts it, charges its key, and writes it down.

    Args:
        accounts: None where there are no keys.
        audit: None where no audit log is kept.
        timeout_s: seconds for an answer; a client may ask for less.
    """

    def __init__(
        self,
        app: ASGIApp,
        metrics: GatewayMetrics,
        accounts: Accounts | None,
        audit: AuditLog | None,
        tracing: Tracing | None,
        timeout_s: float,
        keep_text: bool = False,
    ) -> None:
        self.app = app
        self.metrics = metrics
        self.accounts = accounts
        self.audit = audit
        self.tracing = tracing
        self.timeout_s = timeout_s
        self.keep_text = keep_text

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        headers = Headers(scope=scope)
        record = RequestRecord(_request_id(headers), keep_text=self.keep_text)
        state = scope.setdefault("state", {})
        state["record"], state["accounts"] = record, self.accounts
        self.metrics.entered()
        span = None if self.tracing is None else self.tracing.begin(record, scope["method"], headers)

        async def watch(message: Message) -> None:
            if message["type"] == "http.response.start":
                record.status = message["status"]
                for name, value in state.get("limit_headers", {}).items():
                    MutableHeaders(raw=message["headers"]).setdefault(name, value)
            left_s = record.left_s()
            try:
                async with asyncio.timeout(None if left_s is None else left_s + _LAST_WORDS_S):
                    await send(message)
            except TimeoutError:
                record.error = "deadline"
                raise ConnectionAbortedError("the client does not read its answer") from None

        try:
            try:
                record.deadline = record.began + _allowed_s(headers, self.timeout_s)
            except ApiError as error:
                return await error.response()(scope, receive, watch)
            with recording(record):
                await self.app(scope, receive, watch)
            if not record.status:  # nobody was left to be answered: the client went before its body was whole
                _client_gone(record)
        except asyncio.CancelledError:  # Serve cancels a request whose client has gone
            _client_gone(record)
            raise
        finally:
            self._close(record, scope)
            if span is not None:
                span.end(record, scope["method"])

    def _close(self, record: RequestRecord, scope: Scope) -> None:
        state = scope["state"]
        record.status = record.status or HTTPStatus.INTERNAL_SERVER_ERROR.value
        record.model = state.get("model", record.model)
        route = scope.get("route")  # absent when nothing matched: a client can't invent label values
        record.route = getattr(route, "path", record.route)
        key: ApiKey | None = state.get("api_key")
        if key is not None:
            record.key = key.name
        if record.grant is not None and record.error in ("client_gone", "deadline") and not record.prompt_tokens:
            record.prompt_tokens = record.prompt_estimate  # the model may have read it, whole or in part
        seconds = time.perf_counter() - record.began
        self.metrics.left(record, seconds)
        if key is not None and self.accounts is not None:
            self.accounts.close(record, key)
        if self.audit is not None and scope["method"] == "POST":
            self.audit.write(audit_line(record, seconds))


async def admit(request: Request) -> None:
    """Ask the key's limits before a model is asked; a dependency of every route that asks one.

    Raises:
        ApiError: 429, see Accounts.admit.
    """
    if request.method != "POST":
        return
    state = request.scope["state"]
    record: RequestRecord = state["record"]
    key: ApiKey | None = state.get("api_key")
    accounts: Accounts | None = state.get("accounts")
    if record.keep_text or (key is not None and accounts is not None):
        body = await _json(request)
        if isinstance(body, dict) and body.get("model") in request.app.state.served.names:
            state["model"] = body["model"]  # for the line of a refused request; a client can't invent label values
        if record.keep_text and isinstance(body, dict):
            record.question = next((body[name] for name in ("messages", "prompt", "input") if name in body), None)
        if key is not None and accounts is not None:
            most = most_tokens(request.url.path.partition("/v1/")[2].strip("/"), body)
            record.prompt_estimate = most.prompt
            standings = await accounts.admit(record, key, most.all)
            state["limit_headers"] = limit_headers(standings)


async def _json(request: Request) -> Any:
    """The body as the route will read it (Starlette keeps it); None when it is no JSON."""
    try:
        return await request.json()
    except (ValueError, RecursionError):
        return None


def _client_gone(record: RequestRecord) -> None:
    record.status = record.status or CLIENT_GONE
    record.error = record.error or "client_gone"


def _request_id(headers: Headers) -> str:
    """The id that Serve answers as x-request-id: the client's own where it is one that is taken."""
    given = headers.get("x-request-id", "")
    return given if is_taken(given.encode("latin-1")) else uuid4().hex


def _allowed_s(headers: Headers, most_s: float) -> float:
    """Seconds that the answer may take.

    Raises:
        ApiError: the header holds no positive number.
    """
    text = headers.get(TIMEOUT_HEADER)
    if text is None:
        return most_s
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not seconds > 0:
        message = f"{TIMEOUT_HEADER} is {text[:40]!r}: it must be a positive number of seconds"
        raise ApiError(HTTPStatus.BAD_REQUEST, message, param=TIMEOUT_HEADER)
    return min(seconds, most_s)
