"""The outermost layer alone: what it does to clients that do not read."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from serve_apps.gateway import recording
from serve_apps.gateway.recording import Record
from serve_apps.request_record import RequestRecord, current_record


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


def serve(app: Any, send: Send, timeout_s: float, metrics: Any) -> None:
    record = Record(app, metrics, None, None, None, timeout_s)

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

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
