"""The outermost layer alone: what it does to clients that do not read."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from serve_apps.gateway import recording
from serve_apps.gateway.middleware import LimitBody
from serve_apps.gateway.recording import Record
from serve_apps.request_record import RequestRecord, current_record


class Lines:
    """An audit log in memory."""

    def __init__(self) -> None:
        self.written: list[dict[str, Any]] = []

    def write(self, line: dict[str, Any]) -> None:
        self.written.append(line)


class Metrics:
    def __init__(self) -> None:
        self.left_records: list[RequestRecord] = []

    def entered(self) -> None:
        pass

    def left(self, record: RequestRecord, seconds: float) -> None:
        self.left_records.append(record)


async def endless(scope: Scope, receive: Receive, send: Send) -> None:
    """An answer without end."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    while True:
        await send({"type": "http.response.body", "body": b"x", "more_body": True})
        await asyncio.sleep(0)


async def empty_body() -> Message:
    return {"type": "http.request", "body": b""}


def serve(
    app: Any, send: Send, timeout_s: float, metrics: Any, receive: Receive = empty_body, audit: Any = None
) -> None:
    record = Record(app, metrics, None, audit, None, timeout_s)
    scope = {"type": "http", "method": "POST", "path": "/", "headers": []}
    asyncio.run(asyncio.wait_for(record(scope, receive, send), 10))


def test_a_client_that_does_not_read_is_let_go_after_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "_LAST_WORDS_S", 0.05)
    metrics = Metrics()

    async def stuck(message: Message) -> None:
        if message["type"] == "http.response.body":
            await asyncio.sleep(60)

    with pytest.raises(ConnectionAbortedError, match="does not read"):
        serve(endless, stuck, 0.1, metrics)
    (record,) = metrics.left_records
    assert (record.error, record.status) == ("deadline", 200)


def test_the_record_is_there_for_the_application_and_nobody_after() -> None:
    seen: list[RequestRecord | None] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(current_record())
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def send(_: Message) -> None:
        pass

    metrics = Metrics()
    serve(app, send, 5, metrics)
    (record,) = metrics.left_records
    assert seen == [record] and record.status == 204 and current_record() is None


def test_a_client_that_leaves_while_it_sends_its_body_is_counted_as_gone() -> None:
    """It was a 500 without a word, as if the gateway had failed."""
    left: list[Message] = [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}]
    sent: list[Message] = []

    async def receive() -> Message:
        return left.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    metrics, lines = Metrics(), Lines()
    serve(LimitBody(endless, max_bytes=100), send, 5, metrics, receive, lines)
    (record,) = metrics.left_records
    (line,) = lines.written
    assert (record.status, record.error) == (line["status"], line["error"]) == (499, "client_gone")
    assert not sent


def test_an_application_that_fails_is_no_client_that_left() -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        raise ZeroDivisionError

    async def send(_: Message) -> None:
        pass

    metrics = Metrics()
    with pytest.raises(ZeroDivisionError):
        serve(broken, send, 5, metrics)
    (record,) = metrics.left_records
    assert (record.status, record.error) == (500, "")
