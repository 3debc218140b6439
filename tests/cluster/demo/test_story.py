"""Stages of the demo on their own, with stand-ins for what they talk to."""

from __future__ import annotations

import runpy
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cluster.demo import story
from cluster.demo.config import DemoConfig
from cluster.demo.pairs import Pair, question_lines
from cluster.demo.talk import Streamed
from danlu.errors import DanluError
from danlu.progress import Progress
from danlu.report import Dialogue, Report
from danlu.run_directory import RunDirectory

SERVER = runpy.run_path(str(Path(__file__).parents[2] / "pipelines" / "evaluation" / "test_job.py"))["Server"]


@pytest.fixture
def demo(tmp_path: Path) -> story.Demo:
    config = DemoConfig(output=str(tmp_path))
    return story.Demo(config, RunDirectory(config.output, "demo"), Progress())


@contextmanager
def served() -> Iterator[Any]:
    with SERVER() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def test_a_demo_stopped_while_it_evaluates_goes_on_on_another_port(
    demo: story.Demo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(story, "MODEL", "m")
    demo.run.write_text("questions.jsonl", question_lines([Pair("a", "q=b", "b")]))
    with served() as first, served() as second:
        first.key = "secret"  # the evaluation begins, and ends there
        with pytest.raises(DanluError):
            story.evaluate(demo, first.url.removesuffix("/v1"))
        assert demo.run.read_text("evaluate/config.yaml") is not None
        report = story.evaluate(demo, second.url.removesuffix("/v1"))
    assert report.figures["right_questions"] == 1


def test_the_time_of_the_evaluation_is_counted_once(demo: story.Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    def evaluate(*_: object) -> Report:
        time.sleep(0.3)
        return Report(job="evaluate", figures={"right_share": 1.0}, seconds=0.3)

    solution = {"code": "x", "checks": [{"name": "a", "passed": True}], "origin": "template"}
    monkeypatch.setattr(story, "evaluate", evaluate)
    monkeypatch.setattr("serve_apps.launch.start_apps", lambda *_: [])
    monkeypatch.setattr("serve_apps.launch.stop_apps", lambda: None)
    monkeypatch.setattr("cluster.demo.talk.stream_chat", lambda *_: Streamed("a", 2, 0.1))
    monkeypatch.setattr("cluster.demo.talk.customer_dialogue", lambda *_: (Dialogue(title="a", turns=[]), []))
    monkeypatch.setattr("cluster.demo.talk.solve_task", lambda *_: ([], solution))
    began = time.monotonic()
    reports = story.serve(demo)
    assert [report.job for report in reports] == ["serve", "evaluate"] and all(report.held for report in reports)
    assert sum(report.seconds for report in reports) <= time.monotonic() - began


@pytest.mark.parametrize(
    ("code", "checks", "held"),
    [
        ("x", [{"name": "a", "passed": True}], True),
        ("x", [{"name": "a", "passed": True}, {"name": "b", "passed": False}], False),
        ("x", [], False),
        ("", [{"name": "a", "passed": True}], False),
    ],
)
def test_code_that_nothing_checked_has_not_passed(code: str, checks: list[dict[str, Any]], held: bool) -> None:
    assert story.passed({"code": code, "checks": checks}) is held
