from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from danlu.config import JobConfig
from danlu.errors import ConfigError, NotAvailableError, ResourceError
from danlu.lineage import ancestors, read_lineage, run_directory_of
from danlu.report import Check, Report
from danlu.run_directory import RunDirectory, read_report


class Trial(JobConfig):
    size: int = 1


@pytest.fixture
def source(tmp_path: Path) -> str:
    file = tmp_path / "source.txt"
    file.write_text("text")
    return str(file)


def open_run(tmp_path: Path, source: str, job: str = "trial", size: int = 1, fresh: bool = False) -> RunDirectory:
    return RunDirectory.open(job, Trial(output=str(tmp_path / "run"), size=size), [source], fresh=fresh)


def test_finished_steps_and_report_are_found_again(tmp_path: Path, source: str) -> None:
    with open_run(tmp_path, source) as run:
        assert run.done("a") is None
        run.mark_done("a", rows=3)
        run.finish(Report(job="trial", figures={"rows": 3}))
    with open_run(tmp_path, source) as run:
        assert run.done("a") == {"rows": 3}
        finished = run.finished()
        assert finished is not None and finished.figures == {"rows": 3}
    assert (tmp_path / "run" / "report.html").read_text().startswith("<!doctype html>")


def test_a_run_whose_checks_broke_is_not_finished(tmp_path: Path, source: str) -> None:
    with open_run(tmp_path, source) as run:
        run.finish(Report(job="trial", checks=[Check(name="a", held=False)]))
        assert run.finished() is None
    report = read_report(str(tmp_path / "run"))
    assert report is not None and not report.held


def test_other_settings_are_refused_and_named(tmp_path: Path, source: str) -> None:
    open_run(tmp_path, source).close()
    with pytest.raises(ConfigError, match=r"size was 1 and is now 2(.|\n)*--fresh"):
        open_run(tmp_path, source, size=2)


def test_other_input_content_is_refused(tmp_path: Path, source: str) -> None:
    open_run(tmp_path, source).close()
    Path(source).write_text("changed")
    with pytest.raises(ConfigError, match="input has changed"):
        open_run(tmp_path, source)


def test_another_jobs_folder_is_refused(tmp_path: Path, source: str) -> None:
    open_run(tmp_path, source).close()
    with pytest.raises(ConfigError, match="holds a run of `danlu trial`"):
        open_run(tmp_path, source, job="other")


def test_fresh_removes_the_earlier_run(tmp_path: Path, source: str) -> None:
    with open_run(tmp_path, source) as run:
        run.write_text("artifact/a.txt", "old")
    with open_run(tmp_path, source, size=2, fresh=True) as run:
        assert run.read_text("artifact/a.txt") is None


def test_fresh_never_removes_what_is_no_run(tmp_path: Path, source: str) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").write_text("precious")
    with pytest.raises(ConfigError, match="other files"):
        open_run(tmp_path, source, fresh=True)
    assert (tmp_path / "run" / "thesis.txt").exists()


def test_two_writers_are_kept_apart(tmp_path: Path, source: str) -> None:
    code = (
        "import sys; from danlu.run_directory import RunDirectory; from danlu.config import JobConfig;"
        "run = RunDirectory.open('trial', JobConfig(output=sys.argv[1]), [sys.argv[2]]);"
        "print('open', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "run"), source]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "open\n"
        with pytest.raises(ResourceError, match="another danlu run"):
            open_run(tmp_path, source)
        other.kill()
    RunDirectory.open(
        "trial", JobConfig(output=str(tmp_path / "run")), [source]
    ).close()  # the lock died with its holder


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path, source: str) -> None:
    (tmp_path / "run").write_text("a file")
    with pytest.raises(ConfigError, match="output is"):
        open_run(tmp_path, source)


def test_object_stores_hold_runs_too(source: str) -> None:
    config = Trial(output="memory://bucket/run")
    with RunDirectory.open("trial", config, [source]) as run:
        run.mark_done("a")
        run.finish(Report(job="trial"))
        with pytest.raises(NotAvailableError, match="mounted folder"):
            run.local("model")
    with RunDirectory.open("trial", config, [source]) as run:
        assert run.done("a") == {} and run.finished() is not None


def test_lineage_walks_to_the_parents(tmp_path: Path, source: str) -> None:
    with open_run(tmp_path, source) as parent:
        parent.write_text("clean/a.txt", "text")
        artifact = parent.child("clean", "a.txt")
    child = tmp_path / "child"
    RunDirectory.open("next", Trial(output=str(child)), [artifact]).close()
    assert run_directory_of(str(child)) == str(child)
    walked = [(depth, Path(run).name, lineage.job) for depth, run, lineage in ancestors(str(child))]
    assert walked == [(0, "child", "next"), (1, "run", "trial")]
    assert [file.path for file in read_lineage(str(tmp_path / "run")).inputs] == [source]
