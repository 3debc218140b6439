"""One child process under a deadline and caps on what it may write."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO

from actors.sandbox.limits import Limits
from actors.sandbox.results import KilledReason

_READ_BYTES = 1 << 16


@dataclass(frozen=True)
class Ended:
    """How a child ended; `output` and `results` are what it wrote, cut at their caps."""

    output: bytes
    results: bytes
    killed_reason: KilledReason | None


def run_child(
    command: Sequence[str], job: BinaryIO, results: tuple[int, int], inherited: Sequence[int], limits: Limits
) -> Ended:
    """Run `command` with `job` as its stdin until it ends or breaks a bound; nothing of it is left afterwards.

    Args:
        results: (read end, write end) of the results pipe; the write end is closed here.
    """
    read_end, write_end = results
    deadline = time.monotonic() + limits.seconds
    try:
        child = subprocess.Popen(
            command, stdin=job, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, pass_fds=inherited, env={}, cwd="/",
            start_new_session=True,
        )  # fmt: skip
    finally:
        os.close(write_end)
    assert child.stdout is not None
    caps: dict[int, tuple[int, KilledReason]] = {
        child.stdout.fileno(): (limits.output_kib << 10, "output"),
        read_end: (limits.result_kib << 10, "results"),
    }
    try:
        written, reason = _read_all(caps, deadline)
        if reason is None and not _ends_by(child, deadline):
            reason = "wall_clock"
    finally:
        _kill(child)
        child.stdout.close()
    output, returned = (written[descriptor] for descriptor in caps)
    return Ended(output, returned, reason or _killed_by(child.returncode))


def _read_all(
    caps: dict[int, tuple[int, KilledReason]], deadline: float
) -> tuple[dict[int, bytes], KilledReason | None]:
    """Read all pipes until they close, one overflows, or time is up."""
    written = {descriptor: b"" for descriptor in caps}
    with selectors.DefaultSelector() as selector:
        for descriptor in caps:
            selector.register(descriptor, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(max(deadline - time.monotonic(), 0))
            if time.monotonic() >= deadline:
                return written, "wall_clock"
            for key, _ in ready:
                data, (most, reason) = os.read(key.fd, _READ_BYTES), caps[key.fd]
                written[key.fd] = (written[key.fd] + data)[:most]
                if not data:
                    selector.unregister(key.fd)
                elif len(written[key.fd]) >= most:
                    return written, reason
    return written, None


def _ends_by(child: subprocess.Popen[bytes], deadline: float) -> bool:
    try:
        child.wait(max(deadline - time.monotonic(), 0.05))
    except subprocess.TimeoutExpired:
        return False
    return True


def _kill(child: subprocess.Popen[bytes]) -> None:
    """End the child and its whole group; bubblewrap's inner process dies with the outer one."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    if child.poll() is None:
        child.kill()
    child.wait()


def _killed_by(returncode: int) -> KilledReason | None:
    number = -returncode if returncode < 0 else returncode - 128
    if number == signal.SIGXCPU:
        return "cpu_time"
    return "signal" if 0 < number < 65 else None
