import asyncio
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from serve_apps.customer_service.back_office import HttpBackOffice, SimulatedBackOffice
from serve_apps.customer_service.decisions import ActionResult
from serve_apps.customer_service.walking import Act

ACT = Act("query_bill", "3", "query_bill", {"phone_number": "13812345678"}, {"total": "1.00"})


class Office(BaseHTTPRequestHandler):
    """A company's system: answers by the phone number's last digits."""

    seen: list[dict[str, Any]]
    answers: dict[str, tuple[int, bytes]]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        type(self).seen.append({"path": self.path, "key": self.headers["Idempotency-Key"], "body": body})
        status, content = type(self).answers[body["reference"]]
        if status == 0:
            time.sleep(1)
            return
        self.send_response(status)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def office() -> Iterator[str]:
    Office.seen = []
    Office.answers = {
        "R-done": (200, json.dumps({"results": {"total": "12.50", "due": 3}}).encode()),
        "R-refused": (422, b"{}"),
        "R-broken": (500, b"oops"),
        "R-missing": (200, json.dumps({"results": {}}).encode()),
        "R-other": (200, b"[1]"),
        "R-html": (200, b"<html>"),
        "R-slow": (0, b""),
    }
    server = ThreadingHTTPServer(("127.0.0.1", 0), Office)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/office/v2"
    server.shutdown()
    server.server_close()


def perform(url: str, reference: str) -> ActionResult:
    async def ask() -> ActionResult:
        back_office = HttpBackOffice(url, timeout_s=0.3)
        try:
            return await back_office.perform(ACT, reference)
        finally:
            await back_office.close()

    return asyncio.run(ask())


def test_an_action_over_http(office: str) -> None:
    result = perform(office, "R-done")
    assert result == ActionResult("done", {"reference": "R-done", "total": "12.50", "due": "3"})
    assert Office.seen[-1] == {
        "path": "/office/v2/query_bill",
        "key": "R-done",
        "body": {"reference": "R-done", "slots": {"phone_number": "13812345678"}},
    }


@pytest.mark.parametrize(
    ("reference", "status"),
    [
        ("R-refused", "refused"),
        ("R-broken", "unconfirmed"),
        ("R-missing", "unconfirmed"),
        ("R-other", "unconfirmed"),
        ("R-html", "unconfirmed"),
        ("R-slow", "unconfirmed"),
    ],
)
def test_answers_that_are_none(office: str, reference: str, status: str) -> None:
    assert perform(office, reference) == ActionResult(status)  # type: ignore[arg-type]


def test_without_a_connection_surely_nothing_was_done() -> None:
    assert perform("http://127.0.0.1:1", "R-1").status == "refused"


def test_the_simulation_says_that_it_is_one() -> None:
    result = asyncio.run(SimulatedBackOffice().perform(ACT, "R-1"))
    assert result == ActionResult("done", {"total": "1.00", "reference": "R-1"}, simulated=True)
