"""An HTTP server in a process of its own: started, watched, started again when it dies, and ended with its parent."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

import httpx

from danlu.errors import RunError

log = logging.getLogger("ray.serve")

_GUARD = Path(__file__).with_name("process_guard.py")
_TAIL_LINES = 30  # of what the server says, kept for error messages
_POLL_S = 0.1
_HEALTH_EVERY_S = 10.0
_HEALTH_WITHIN_S = 5.0
_UNHEALTHY = 6  # answers in a row without which a server is taken for dead: long work keeps none busy for a minute
_STEADY_S = 60.0  # a server that ran for so long was well: its next failure is counted anew


class ChildServer:
    """Runs `command(port)` and waits for `GET /health` to answer 200, then sees to it that it goes on to.

    Args:
        name: for messages.
        command: the command line for a port of this machine's loopback.
        start_timeout_s: how long loading may take.
        restarts: failures in a row after which it is given up.
        pause_s: before the first restart; twice as long before each further one.
    """

    def __init__(
        self,
        name: str,
        command: Callable[[int], Sequence[str]],
        *,
        start_timeout_s: float,
        restarts: int,
        pause_s: float = 1.0,
    ) -> None:
        self.url = ""
        self.problem = "it has not been started"  # why no request can be served; empty while all is well
        self.given_up = False
        self._name = name
        self._command = command
        self._start_timeout_s = start_timeout_s
        self._restarts = restarts
        self._pause_s = pause_s
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._process: asyncio.subprocess.Process | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Start it, and return when it is healthy.

        Raises:
            RunError: it ended or was not healthy in time; the end of what it said is in the message.
        """
        try:
            await self._launch()
        except BaseException:
            await self._end_process()
            raise
        self._tasks.append(asyncio.create_task(self._watch()))

    async def stop(self) -> None:
        """End it and what it started."""
        self.problem = self.problem or "it has been shut down"
        for task in self._tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._tasks.clear()
        await self._end_process()

    def tail(self) -> str:
        """The last lines that the server wrote."""
        return "\n".join(self._tail)

    async def _launch(self) -> None:
        port = _free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._tail.clear()
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",  # else the guard's folder would stand before the standard library
            str(_GUARD),
            *self._command(port),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=_clean_environment(),
        )
        reading = asyncio.create_task(self._keep_tail(self._process))
        await self._wait_until_healthy(self._process, reading)
        self.problem = ""

    async def _wait_until_healthy(self, process: asyncio.subprocess.Process, reading: asyncio.Task[None]) -> None:
        deadline = time.monotonic() + self._start_timeout_s
        async with _client(self.url) as client:
            while time.monotonic() < deadline:
                if process.returncode is not None:
                    await reading
                    raise self._failure(f"it ended with code {process.returncode}")
                if await _is_healthy(client):
                    return
                await asyncio.sleep(_POLL_S)
        raise self._failure(f"it was not healthy within {self._start_timeout_s:g} s")

    async def _watch(self) -> None:
        """Start the server again whenever it ends or hangs, until it fails too often in a row."""
        failures = 0
        healthy_at: float | None = time.monotonic()
        while True:
            assert self._process is not None
            how = await self._failed(self._process)
            steady = healthy_at is not None and time.monotonic() - healthy_at > _STEADY_S
            failures = 1 if steady else failures + 1
            self.problem = f"the server {how} and is being started again"
            log.error("%s: %s\n%s", self._name, self.problem, self.tail())
            if failures > self._restarts:
                break
            await asyncio.sleep(self._pause_s * 2 ** (failures - 1))
            healthy_at = None  # loading is no steady work, however long it takes
            try:
                await self._launch()
                healthy_at = time.monotonic()
            except (RunError, OSError) as error:  # the machine may lack memory or processes for a moment
                log.error("%s", error)
                await self._end_process()
        self.given_up = True
        self.problem = f"the server failed {failures} times in a row, the last time with:\n{self.tail()}"

    async def _failed(self, process: asyncio.subprocess.Process) -> str:
        """Returns, with what happened, once the server has ended or does not say that it is healthy any more."""
        ended = asyncio.ensure_future(process.wait())
        unhealthy = 0
        try:
            async with _client(self.url) as client:
                while unhealthy < _UNHEALTHY:
                    if (await asyncio.wait({ended}, timeout=_HEALTH_EVERY_S))[0]:
                        return f"ended with code {await ended}"
                    unhealthy = 0 if await _is_healthy(client) else unhealthy + 1
        finally:
            ended.cancel()
        self.problem = "the server hangs and is being ended"
        await self._end_process()
        return f"was not healthy {unhealthy} times in a row"

    async def _keep_tail(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        while piece := await process.stdout.read(1 << 16):  # not by lines: one may be longer than the reader's limit
            *whole, rest = ((self._tail.pop() if self._tail else "") + piece.decode(errors="replace")).split("\n")
            self._tail.extend([line[-500:] for line in [*whole, rest]])

    async def _end_process(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        assert process.stdin is not None
        process.stdin.close()  # the guard ends the server, and kills it when it does not listen
        await process.wait()

    def _failure(self, rule: str) -> RunError:
        said = self.tail().strip()
        return RunError(
            f"{self._name} did not start",
            rule=rule + (f"; it said:\n{said}" if said else " and said nothing"),
            fix="try the command by hand",
        )


def _client(url: str) -> httpx.AsyncClient:
    """Asks a server of this machine, so never by the proxy that HTTP_PROXY names."""
    return httpx.AsyncClient(base_url=url, timeout=_HEALTH_WITHIN_S, trust_env=False)


async def _is_healthy(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/health")).status_code == 200
    except httpx.HTTPError:
        return False


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _clean_environment() -> dict[str, str]:
    """This process's environment without what would lead another Python to this one's packages."""
    return {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")}
