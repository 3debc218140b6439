"""Runs a command that ends with its parent: python process_guard.py COMMAND [ARGUMENTS ...]

The parent holds the write end of this process's standard input. When that closes, because the parent wants it or
because it died in whatever way, the command and all processes of its session are told to end, and are killed after
GRACE_S. Run as a file, in an environment that may know nothing of danlu: standard library only.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

GRACE_S = 10.0


def main() -> int:
    """Run the command; its exit code, or 128 and the signal that ended it."""
    child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, start_new_session=True)
    signal.signal(signal.SIGTERM, lambda *_: _signal(child.pid, signal.SIGTERM))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal: the parent decides
    threading.Thread(target=_follow_parent, args=(child,), daemon=True).start()
    code = child.wait()
    _signal(child.pid, signal.SIGKILL)  # workers that it left behind
    return code if code >= 0 else 128 - code


def _follow_parent(child: subprocess.Popen[bytes]) -> None:
    while os.read(0, 4096):  # until the parent closes it or dies; not by sys.stdin, whose lock would break the exit
        pass
    _signal(child.pid, signal.SIGTERM)
    deadline = time.monotonic() + GRACE_S
    while child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    _signal(child.pid, signal.SIGKILL)


def _signal(session: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(session, number)


if __name__ == "__main__":
    sys.exit(main())
