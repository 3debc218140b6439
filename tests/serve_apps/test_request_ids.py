"""Which ids of clients are taken."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.datastructures import MutableHeaders

from serve_apps.gateway.recording import Record
from serve_apps.request_ids import HEADER, PlainRequestIds
from serve_apps.request_record import RequestRecord


class Serve:
    """As Serve treats ids: it answers the one that it was sent, or makes one."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.answered = ""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers = MutableHeaders(scope=scope)
        self.answered = headers.setdefault("x-request-id", "made-by-serve")
        self.answered.encode("ascii")
        await self.app(scope, receive, send)


def ids(*given: bytes) -> tuple[str, str]:
    """The id that the client is answered, and the one that the record has."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})

    async def nothing(_: Any = None) -> Any:
        return {}

    records: list[RequestRecord] = []
    metrics: Any = SimpleNamespace(entered=lambda: None, left=lambda record, _: records.append(record))
    serve = Serve(Record(app, metrics, None, None, None, 5.0))
    headers = [(b"host", b"a"), *((HEADER, value) for value in given)]
    scope = {"type": "http", "method": "GET", "path": "/", "headers": headers}
    asyncio.run(PlainRequestIds(serve)(scope, nothing, nothing))
    return serve.answered, records[0].id


@given(st.lists(st.binary(max_size=200), max_size=2))
@example([b"x" * 5000])
@example([b'a"b\\c <x>'])
@example([b"\xff"])
def test_the_client_is_answered_the_id_that_is_written_down(given: list[bytes]) -> None:
    answered, recorded = ids(*given)
    assert answered == recorded and len(answered) <= 128


@pytest.mark.parametrize("given", [b"mine-1", b'a"b\\c<x>', b"x" * 128])
def test_ids_of_printable_ascii_are_taken(given: bytes) -> None:
    assert ids(given) == (given.decode(), given.decode())


@pytest.mark.parametrize("given", [(), (b"",), (b"x" * 129,), (b"a b",), (b"\xe4",), (b"one", b"other")])
def test_others_are_replaced(given: tuple[bytes, ...]) -> None:
    assert ids(*given) == ("made-by-serve", "made-by-serve")
