"""When a server is started again, and when no more."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import psutil
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


_HANGS = """
import http.server, os, sys, time
port, log, how = int(sys.argv[1]), sys.argv[2], sys.argv[3]
first = not os.path.exists(log)
with open(log, "a") as file:
    file.write(f"{os.getpid()}\\n")
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked += 1
        sick = first and self.server.asked > 1
        if sick and how == "hangs":
            time.sleep(600)
        self.send_response(503 if sick else 200)
        self.end_headers()
server = http.server.HTTPServer(("127.0.0.1", port), Handler)
server.asked = 0
server.serve_forever()
"""


@pytest.mark.parametrize("how", ["hangs", "says so"])
def test_a_server_that_is_not_healthy_any_more_is_started_again(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("_HEALTH_EVERY_S", 0.05), ("_HEALTH_WITHIN_S", 1.0), ("_UNHEALTHY", 2)):
        monkeypatch.setattr(child_server, name, value)
    log = tmp_path / "log"

    def command(port: int) -> list[str]:
        return [sys.executable, "-c", _HANGS, str(port), str(log), how]

    async def session() -> None:
        server = ChildServer("s", command, start_timeout_s=20, restarts=2, pause_s=0.01)
        await server.start()
        problems = set[str]()
        async with asyncio.timeout(30):
            while len(log.read_text().split()) < 2 or server.problem:
                problems.add(server.problem)
                await asyncio.sleep(0.005)
        assert "the server was not healthy 2 times in a row and is being started again" in problems
        assert not psutil.pid_exists(int(log.read_text().split()[0]))
        await asyncio.sleep(0.3)
        assert not server.problem and not server.given_up
        await server.stop()

    asyncio.run(session())


_MAY_STAY = _SERVER.replace("while not server.asked", "while not server.asked or os.path.exists(marker + '.second')")


def test_a_server_whose_start_the_machine_refuses_for_a_moment_is_started_again(tmp_path: Path) -> None:
    marker, calls = tmp_path / "marker", 0

    def command(port: int) -> list[str]:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise OSError("no memory")
        if calls == 3:
            marker.unlink()
            (tmp_path / "marker.stays").touch()
        return [sys.executable, "-c", _MAY_STAY, str(port), str(marker)]

    async def session() -> None:
        server = ChildServer("s", command, start_timeout_s=20, restarts=5, pause_s=0.01)
        await server.start()
        async with asyncio.timeout(30):
            while calls < 3 or server.problem:
                await asyncio.sleep(0.01)
        await server.stop()

    asyncio.run(session())


def test_a_proxy_is_not_asked_about_a_server_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "marker.stays").touch()

    def command(port: int) -> list[str]:
        return [sys.executable, "-c", _MAY_STAY, str(port), str(tmp_path / "marker")]

    async def session() -> None:
        server = ChildServer("s", command, start_timeout_s=10, restarts=0)
        await server.start()
        await server.stop()

    asyncio.run(session())
