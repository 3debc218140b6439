from __future__ import annotations

import io

import pytest

from danlu.progress import Progress, duration


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_stage_leaves_its_closing_line() -> None:
    stream = io.StringIO()
    with Progress(stream).stage("filter", total=10, unit="documents") as stage:
        stage.advance(10, note="3 dropped")
    assert "filter · 10 documents" in stream.getvalue() and "3 dropped" in stream.getvalue()


def test_a_terminal_gets_one_line_that_is_redrawn() -> None:
    stream = Terminal()
    progress = Progress(stream)
    with progress.stage("filter", total=2) as stage:
        stage.advance()
        progress.say("warning")
    assert "\r\x1b[2K" in stream.getvalue()
    assert "warning\n" in stream.getvalue()


def test_a_stage_that_breaks_says_so() -> None:
    stream = io.StringIO()
    with pytest.raises(KeyboardInterrupt), Progress(stream).stage("filter"):
        raise KeyboardInterrupt
    assert "stopped" in stream.getvalue()


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0 s"), (59, "59 s"), (61, "1 min 1 s"), (7800, "2 h 10 min")])
def test_durations_read_well(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_time_left_follows_from_the_rate() -> None:
    progress = Progress(io.StringIO())
    with progress.stage("filter", total=100, unit="rows") as stage:
        stage.update(25)
        assert stage.line(stage.began + 10) == "filter · 25/100 rows 25% · 2.5/s · 30 s left"
