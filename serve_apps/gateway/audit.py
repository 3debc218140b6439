"""The audit log: who asked what model when, and what came of it, one line of JSON for each request.

Lines hold no text of questions or answers unless that is asked for. A thread writes them, so that a slow disk delays no
request; where it falls far behind, lines are left out, and the next line that is written says how many.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import queue
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from serve_apps.gateway.settings import AuditSettings
from serve_apps.request_record import RequestRecord

FILE_NAME = "audit.jsonl"
_MOST_WAITING = 10_000
_MOST_AT_ONCE = 500
_CLOSE_WITHIN_S = 10.0

log = logging.getLogger("ray.serve")


def _private(path: str, flags: int) -> int:
    """Opens a file that its owner alone may read: it says who asked, and may hold what."""
    return os.open(path, flags, 0o600)


def audit_line(record: RequestRecord, seconds: float) -> dict[str, Any]:
    """What is written of a request; every line has the same keys, `question` and `answer` excepted."""
    line: dict[str, Any] = {
        "time": datetime.fromtimestamp(record.began_at, UTC).isoformat(timespec="milliseconds"),
        "request_id": record.id,
        "key": record.key,
        "model": record.model,
        "route": record.route,
        "status": record.status,
        "prompt_tokens": record.prompt_tokens,
        "completion_tokens": record.completion_tokens,
        "seconds": round(seconds, 4),
        "first_token_seconds": None if record.first_token is None else round(record.first_token - record.began, 4),
        "finish_reasons": record.finish_reasons,
        "retries": record.retries,
        "error": record.error,
    }
    if record.keep_text:
        line |= {"question": record.question, "answer": "".join(record.answer)}
    return line


class AuditLog:
    """Appends lines to `audit.jsonl` in a folder that all gateways of a machine may share.

    A file that would outgrow its size is turned into audit.jsonl.1, the one before into .2, and so on.
    """

    def __init__(self, settings: AuditSettings) -> None:
        assert settings.folder is not None
        self._file = Path(settings.folder) / FILE_NAME
        self._max_bytes = int(settings.max_mib * 2**20)
        self._kept = settings.files
        self._lines: queue.Queue[dict[str, Any] | None] = queue.Queue(_MOST_WAITING)
        self._lost = 0
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._thread = threading.Thread(target=self._run, name="audit", daemon=True)
        self._thread.start()

    def write(self, line: dict[str, Any]) -> None:
        """Hand a line over; never blocks."""
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            self._lost += 1

    def close(self) -> None:
        """Write what is waiting, and end the thread; a disk that hangs is waited for only so long."""
        until = time.monotonic() + _CLOSE_WITHIN_S
        with suppress(queue.Full):
            self._lines.put(None, timeout=_CLOSE_WITHIN_S)
            self._thread.join(max(0.0, until - time.monotonic()))
        if self._thread.is_alive():
            log.error("audit lines are lost: the disk of %s does not answer", self._file)

    def _run(self) -> None:
        going = True
        while going:
            lines = self._next_lines()
            going = None not in lines
            wanted = [line for line in lines if line is not None]
            try:
                self._append([json.dumps(line, ensure_ascii=False) for line in wanted])
            except Exception as error:  # a thread that ended would lose all later lines too, and say nothing
                self._lost += len(wanted)
                log.error("%d audit lines are lost: %s", len(wanted), error)

    def _next_lines(self) -> list[dict[str, Any] | None]:
        lines = [self._lines.get()]
        while lines[-1] is not None and len(lines) < _MOST_AT_ONCE and not self._lines.empty():
            lines.append(self._lines.get())
        return lines

    def _append(self, texts: Sequence[str]) -> None:
        lost = self._lost
        if lost:
            now = datetime.now(UTC).isoformat(timespec="milliseconds")
            texts = [json.dumps({"time": now, "lost_lines": lost}), *texts]
        data = "".join(f"{text}\n" for text in texts).encode("utf-8", "backslashreplace")
        if not data:
            return
        with self._locked():
            if self._file.exists() and self._file.stat().st_size + len(data) > self._max_bytes:
                self._turn()
            with open(self._file, "ab", opener=_private) as file:
                file.write(data)
        self._lost -= lost

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other processes from writing or turning the file meanwhile."""
        with self._file.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _turn(self) -> None:
        for number in range(self._kept - 1, 0, -1):
            older = self._turned(number)
            if older.exists():
                older.replace(self._turned(number + 1))
        self._file.replace(self._turned(1))

    def _turned(self, number: int) -> Path:
        return self._file.with_name(f"{FILE_NAME}.{number}")
