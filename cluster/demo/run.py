"""Running the demo: which stages are still to do, in which order, and the page that shows them all."""

from __future__ import annotations

import json
from contextlib import nullcontext

from cluster.demo.config import DemoConfig
from cluster.demo.story import EXAMPLES, STAGES, Demo
from cluster.demo.summary import print_summary
from cluster.local_ray import ray_session
from danlu.errors import ConfigError
from danlu.html import render_html
from danlu.progress import Progress
from danlu.report import Report
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
        ConfigError: `only` names no stage, or one that needs an unfinished stage.
    """
    if only is not None and only not in STAGES:
        raise ConfigError(f"--only is {only!r}", rule=f"the stages are {', '.join(STAGES)}")
    inputs = sorted(str(file) for file in EXAMPLES.rglob("*") if file.suffix in (".md", ".yaml", ".jsonl"))
    with RunDirectory.open("demo", config, inputs, fresh=fresh) as run:
        demo = Demo(config, run, progress)
        _require_earlier(run, only)
        todo = [name for name in STAGES if run.done(name) is None and only in (None, name)]
        # One Ray for all stages: starting one takes longer than some of them.
        with ray_session() if any(name in _USES_RAY for name in todo) else nullcontext():
            _run_stages(demo, todo)
        reports = {name: _stored(run, name) for name in STAGES}
        shown = [report for stage in reports.values() for report in stage or []]
        run.write_text(
            "report.html", render_html(shown, "danlu demo", f"{config.output} · {config.documents} documents")
        )
        print_summary(reports, run.child("report.html"))
        return all(report.held for report in shown) and (only is not None or all(reports.values()))


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
