"""Which stages of the demo run, and what is refused before anything is touched."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest

from cluster.demo import run as demo_run
from cluster.demo.config import DemoConfig
from cluster.demo.story import Demo
from cluster.family import print_lineage
from cluster.local_ray import local_cpus
from danlu.errors import ConfigError, ResourceError
from danlu.progress import Progress
from danlu.report import Check, Report
from danlu.run_directory import read_report


def stage(name: str, held: bool = True) -> Callable[[Demo], list[Report]]:
    return lambda demo: [Report(job=name, checks=[Check(name="works", held=held)], seconds=2)]


@pytest.fixture
def stages(monkeypatch: pytest.MonkeyPatch) -> dict[str, Callable[[Demo], list[Report]]]:
    """Stages that need no Ray, under names that none of the demo's have."""
    made = {name: stage(name) for name in ("one", "two")}
    monkeypatch.setattr(demo_run, "STAGES", made)
    return made


def is_finished(output: str) -> bool:
    return Path(output, "_state", "run.json").exists()


def run(config: DemoConfig, **options: object) -> bool:
    return demo_run.run_demo(config, Progress(io.StringIO()), **options)  # type: ignore[arg-type]


@pytest.fixture
def config(tmp_path: Path) -> DemoConfig:
    return DemoConfig(output=str(tmp_path / "demo"))


def test_a_whole_demo_is_a_finished_run(stages: object, config: DemoConfig, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(config) and run(config)
    report = read_report(config.output)
    assert report is not None and [check.name for check in report.checks] == ["one: works", "two: works"]
    assert report.seconds == 4 and is_finished(config.output)
    print_lineage(config.output)
    assert "not finished" not in capsys.readouterr().out
    assert (Path(config.output) / "report.html").read_text().count("works") == 2


def test_a_demo_with_a_broken_check_is_not_finished(
    stages: dict[str, Callable[[Demo], list[Report]]], config: DemoConfig
) -> None:
    stages["two"] = stage("two", held=False)
    assert not run(config) and not is_finished(config.output)
    report = read_report(config.output)
    assert report is not None and report.figures["broken_checks"] == 1


def test_a_demo_with_one_stage_is_not_finished(stages: object, config: DemoConfig) -> None:
    assert run(config, only="one")
    assert not is_finished(config.output) and read_report(config.output) is None


def test_only_with_fresh_is_refused_and_removes_nothing(stages: object, config: DemoConfig) -> None:
    assert run(config)
    before = sorted(Path(config.output).rglob("*"))
    with pytest.raises(ConfigError, match="--only two with --fresh"):
        run(config, only="two", fresh=True)
    assert sorted(Path(config.output).rglob("*")) == before


def test_too_many_workers_are_refused_before_anything_is_made(config: DemoConfig) -> None:
    workers = min(local_cpus() + 1, 64)
    wanting = config.model_copy(update={"workers": workers})
    fix = f"workers={local_cpus()}"
    with pytest.raises(ResourceError, match=rf"workers={workers} wants {workers} CPUs(.|\n)*Fix: danlu demo {fix}"):
        run(wanting)
    assert not Path(config.output).exists()
