"""When a server is started again, and when no more."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from actors.engines import child_server
from actors.engines.child_server import ChildServer

_SERVER = """
import http.server, os, sys, time
port, marker = int(sys.argv[1]), sys.argv[2]
if os.path.exists(marker):
    time.sleep(0.3)
    sys.exit(3)
open(marker, "w").close()
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.server.asked = True
server = http.server.HTTPServer(("127.0.0.1", port), Handler)
server.asked = False
while not server.asked:
    server.handle_request()
"""


def test_time_that_loading_takes_does_not_make_a_server_steady(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_server, "_STEADY_S", 0.2)

    def command(port: int) -> list[str]:
        return [sys.executable, "-c", _SERVER, str(port), str(tmp_path / "marker")]

    async def session() -> ChildServer:
        server = ChildServer("s", command, start_timeout_s=20, restarts=2, pause_s=0.01)
        await server.start()
        (watching,) = server._tasks
        await asyncio.wait_for(watching, 30)
        await server.stop()
        return server

    server = asyncio.run(session())
    assert server.given_up
    assert "3 times in a row" in server.problem
