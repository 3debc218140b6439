"""Running one job, with a stand-in for the work."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest

from cluster.jobs import Job
from cluster.runner import run_job
from danlu.config import JobConfig
from danlu.errors import ConfigError, ResourceError
from danlu.progress import Progress
from danlu.report import Check, Report
from danlu.run_directory import read_report


@dataclass
class Work:
    """A job module: reads `files`, needs no Ray, and holds its check from the second time on."""

    files: list[str] = field(default_factory=list)
    times: int = 0
    cpus: float = 0.0

    def inputs(self, _config: Any) -> list[str]:
        return self.files

    def resources(self, _config: Any) -> dict[str, float]:
        return {"CPU": self.cpus} if self.cpus else {}

    def run(self, _config: Any, _run: Any, _progress: Any) -> Report:
        self.times += 1
        return Report(job="trial", checks=[Check(name="works", held=self.times > 1)])


@dataclass(frozen=True)
class Trial(Job):
    work: Work

    def module(self) -> Any:
        return self.work


def trial(*files: Path) -> Trial:
    return Trial("trial", "", "", "", Work([str(file) for file in files]))


def run(job: Trial, output: Path, **options: Any) -> tuple[Report, str]:
    stream = io.StringIO()
    report = run_job(job, JobConfig(output=str(output)), Progress(stream), **options)
    return report, stream.getvalue()


def test_a_job_runs_until_its_checks_hold(tmp_path: Path) -> None:
    job = trial()
    assert [run(job, tmp_path / "run")[0].held for _ in range(3)] == [False, True, True]


class Tuned(JobConfig):
    changeable: ClassVar[frozenset[str]] = frozenset({"speed"})
    speed: int = 1


def test_a_finished_run_says_that_other_settings_were_not_used(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("text")
    job, said = trial(tmp_path / "a.txt"), io.StringIO()
    job.work.times = 1
    run_job(job, Tuned(output=str(tmp_path / "run")), Progress(said))
    run_job(job, Tuned(output=str(tmp_path / "run"), speed=2), Progress(said))
    assert "other settings were not used: speed" in said.getvalue() and job.work.times == 2


def test_a_command_that_the_cluster_is_too_small_for_leaves_an_ended_run_as_it_is(tmp_path: Path) -> None:
    job = trial()
    ended, _ = run(job, tmp_path / "run")
    before = (tmp_path / "run" / "config.yaml").read_text()
    job.work.cpus = 8000
    with pytest.raises(ResourceError, match="wants 8000 CPUs"):
        run(job, tmp_path / "run", cpus=1)
    assert not ended.held and read_report(str(tmp_path / "run")) == ended
    assert (tmp_path / "run" / "config.yaml").read_text() == before


def test_code_of_another_version_is_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.txt").write_text("text")
    job = trial(tmp_path / "a.txt")
    monkeypatch.setattr("danlu.lineage.code_version", lambda: "1.0")
    assert "warning" not in run(job, tmp_path / "run")[1]
    monkeypatch.setattr("danlu.lineage.code_version", lambda: "1.1")
    assert "warning: danlu 1.0 began this run" in run(job, tmp_path / "run")[1]


@pytest.mark.parametrize("option", [{"cpus": 2}, {"ray_address": "auto"}])
def test_an_option_without_effect_is_refused_before_anything_is_written(
    tmp_path: Path, option: dict[str, object]
) -> None:
    with pytest.raises(ConfigError, match="danlu trial runs without Ray"):
        run(trial(), tmp_path / "run", **option)
    assert not (tmp_path / "run").exists()
