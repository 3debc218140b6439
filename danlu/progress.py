"""Progress that a person can follow: one live line per stage on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

_PLAIN_EVERY_S = 5.0
_LIVE_EVERY_S = 0.2


class Stage:
    """One stage under way. Made by `Progress.stage`."""

    def __init__(self, progress: Progress, name: str, total: float | None, unit: str) -> None:
        self._progress = progress
        self.name = name
        self.total = total
        self.unit = unit
        self.count: float = 0
        self.note = ""
        self.began = time.monotonic()

    def advance(self, amount: float = 1, note: str | None = None) -> None:
        """Count `amount` more units."""
        self.update(self.count + amount, note=note)

    def update(self, count: float | None = None, *, total: float | None = None, note: str | None = None) -> None:
        """Set what is known now; the line is redrawn at a bounded rate."""
        self.count = self.count if count is None else count
        self.total = self.total if total is None else total
        self.note = self.note if note is None else note
        self._progress._show(self)

    def line(self, now: float) -> str:
        """The stage in one line: count, share, rate, time left, note."""
        seconds = max(now - self.began, 1e-9)
        parts = [self.name]
        if self.total:
            share = min(self.count / self.total, 1.0)
            parts.append(f"{self.count:,.0f}/{self.total:,.0f} {self.unit} {share:.0%}".replace("  ", " "))
        elif self.count:
            parts.append(f"{self.count:,.0f} {self.unit}".rstrip())
        if self.count:
            parts.append(f"{self.count / seconds:,.1f}/s")
        # Before a twentieth is done an estimate says more about the start than about the rest.
        if self.total and self.total / 20 <= self.count < self.total:
            parts.append(f"{duration((self.total - self.count) * seconds / self.count)} left")
        else:
            parts.append(duration(seconds))
        return " · ".join([*parts, self.note] if self.note else parts)


class Progress:
    """Where stages report to.

    Args:
        stream: stderr unless given; a terminal gets one line that is redrawn, anything else a line every five seconds.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stderr
        self.prefix = ""
        self._live = self.stream.isatty()
        self._last = 0.0
        self._drawn = False

    @contextmanager
    def stage(self, name: str, total: float | None = None, unit: str = "") -> Iterator[Stage]:
        """Run a stage; its closing line stays on the screen."""
        stage = Stage(self, name, total, unit)
        self._last = 0.0 if self._live else time.monotonic()
        self._show(stage)
        try:
            yield stage
        except BaseException:
            self.say(f"{stage.line(time.monotonic())} · stopped")
            raise
        stage.total = None
        self.say(stage.line(time.monotonic()))

    def say(self, text: str) -> None:
        """A line that stays."""
        self._erase()
        self.stream.write(f"{self.prefix}{text}\n")
        self.stream.flush()

    def _show(self, stage: Stage) -> None:
        now = time.monotonic()
        if now - self._last < (_LIVE_EVERY_S if self._live else _PLAIN_EVERY_S):
            return
        self._last = now
        if not self._live:
            self.stream.write(f"{self.prefix}{stage.line(now)}\n")
        else:
            self._erase()
            self.stream.write(f"{self.prefix}{stage.line(now)}"[: _columns()])
            self._drawn = True
        self.stream.flush()

    def _erase(self) -> None:
        if self._drawn:
            self.stream.write("\r\x1b[2K")
            self._drawn = False


def duration(seconds: float) -> str:
    """`8 s`, `3 min 5 s`, `2 h 10 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def _columns() -> int:
    import shutil

    return max(shutil.get_terminal_size().columns - 1, 20)
