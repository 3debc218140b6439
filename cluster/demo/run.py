"""Running the demo: which stages are still to do, in which order, and the page that shows them all."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import nullcontext

from cluster.demo.config import DemoConfig
from cluster.demo.story import EXAMPLES, STAGES, Demo
from cluster.demo.summary import print_summary
from cluster.local_ray import local_cpus, prepare_environment, ray_session
from cluster.runner import say_changes
from danlu.errors import ConfigError
from danlu.html import render_html
from danlu.progress import Progress
from danlu.report import Report, Scalar
from danlu.resources import require_resources
from danlu.run_directory import RunDirectory

_NEEDS = {
    "train": ("clean",),
    "compress": ("train",),
    "serve": ("compress", "understand", "index"),
}
_USES_RAY = ("clean", "train", "serve")


def run_demo(config: DemoConfig, progress: Progress, *, only: str | None = None, fresh: bool = False) -> bool:
    """Run all stages, or one on what the others left; finished stages are reused.

    Returns:
        Whether every check of every stage held.

    Raises:
        ConfigError: `only` names no stage, or one that needs an unfinished stage, or goes with `fresh`.
        ResourceError: this machine has too few CPUs for the training workers.
    """
    prepare_environment()
    _check_options(config, only, fresh)
    inputs = sorted(str(file) for file in EXAMPLES.rglob("*") if file.suffix in (".md", ".yaml", ".jsonl"))
    with RunDirectory.open("demo", config, inputs, fresh=fresh) as run:
        say_changes(run, progress)
        demo = Demo(config, run, progress)
        _require_earlier(run, only)
        todo = [name for name in STAGES if run.done(name) is None and only in (None, name)]
        # One Ray for all stages: starting one takes longer than some of them.
        with ray_session() if any(name in _USES_RAY for name in todo) else nullcontext():
            _run_stages(demo, todo)
        reports = {name: _stored(run, name) for name in STAGES}
        shown = [report for stage in reports.values() for report in stage or []]
        if all(reports.values()):
            run.finish(sum_up(shown), shown)
        else:
            run.write_text("report.html", render_html(shown, "danlu demo", run.uri))
        print_summary(reports, run.child("report.html"))
        return all(report.held for report in shown) and (only is not None or all(reports.values()))


def sum_up(reports: Sequence[Report]) -> Report:
    """The demo's own report: every check of every stage, named by its stage."""
    checks = [check.model_copy(update={"name": f"{r.job}: {check.name}"}) for r in reports for check in r.checks]
    figures: dict[str, Scalar] = {
        "reports": len(reports),
        "checks": len(checks),
        "broken_checks": sum(not check.held for check in checks),
    }
    return Report(job="demo", figures=figures, checks=checks, seconds=sum(report.seconds for report in reports))


def _check_options(config: DemoConfig, only: str | None, fresh: bool) -> None:
    """Refuse what can't come to its end before anything is touched."""
    if only is not None and only not in STAGES:
        raise ConfigError(f"--only is {only!r}", rule=f"the stages are {', '.join(STAGES)}")
    if only is not None and fresh:
        raise ConfigError(
            f"--only {only} with --fresh",
            rule="--fresh removes the whole demo, and --only works on what its other stages left",
            fix="leave one of them out",
        )
    if only in (None, "train"):
        wanted, available = {"CPU": float(config.workers)}, {"CPU": float(local_cpus())}
        fix = f"danlu demo workers={local_cpus()}"
        require_resources(wanted, available, f"danlu demo with workers={config.workers}", fix)


def _run_stages(demo: Demo, todo: list[str]) -> None:
    for number, name in enumerate(STAGES, start=1):
        demo.progress.prefix = f"[{number}/{len(STAGES)}] "
        if name not in todo:
            continue
        reports = STAGES[name](demo)
        for check in (check for report in reports for check in report.checks):
            demo.progress.say(f"  {'✓' if check.held else '✗'} {check.name}  {check.detail}".rstrip())
        facts = [report.model_dump(mode="json") for report in reports]
        demo.run.write_text(f"stages/{name}.json", json.dumps(facts, ensure_ascii=False))
        if all(report.held for report in reports):
            demo.run.mark_done(name)
    demo.progress.prefix = ""


def _require_earlier(run: RunDirectory, only: str | None) -> None:
    missing = [name for name in _NEEDS.get(only or "", ()) if run.done(name) is None]
    if missing:
        raise ConfigError(f"--only is {only!r}", rule=f"it needs {', '.join(missing)}, which is not finished")


def _stored(run: RunDirectory, stage: str) -> list[Report] | None:
    text = run.read_text(f"stages/{stage}.json")
    return None if text is None else [Report.model_validate(facts) for facts in json.loads(text)]
