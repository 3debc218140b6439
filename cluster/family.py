"""The lineage of a run as a tree on the terminal."""

from __future__ import annotations

import click

from danlu.lineage import Lineage, ancestors, require_run
from danlu.report import Report, Table
from danlu.run_directory import read_report

_SHOWN_INPUTS, _SHOWN_FIGURES = 5, 6
_REASONS = ["stage", "reason", "documents"]


def print_lineage(path: str) -> None:
    """Print `path`'s run and its ancestors, each with inputs, code version, figures, broken checks and drops.

    Raises:
        InputError: nothing is at `path`, or it lies in no run directory.
    """
    run = require_run(path)
    told: set[str] = set()
    for depth, folder, lineage in ancestors(run):
        lines = [f"{folder}  (see above)"] if folder in told else describe_run(folder, lineage)
        told.add(folder)
        for line in lines:
            click.echo("    " * depth + line)


def describe_run(folder: str, lineage: Lineage | None) -> list[str]:
    """A run in a few lines: job, folder, time, code, its first inputs, what came of it; one line when it is gone."""
    if lineage is None:
        return [f"{folder}  removed, or out of reach: what it came from is not known"]
    lines = [f"{lineage.job}  {folder}", f"  {lineage.created}  danlu {lineage.code_version}"]
    for file in lineage.inputs[:_SHOWN_INPUTS]:
        lines.append(f"  input {file.digest[:12]}  {file.size_bytes:>12,} bytes  {file.path}")
    if len(lineage.inputs) > _SHOWN_INPUTS:
        lines.append(f"  ... and {len(lineage.inputs) - _SHOWN_INPUTS} more inputs")
    report = read_report(folder)
    return [*lines, *(["  not finished"] if report is None else describe_report(report))]


def describe_report(report: Report) -> list[str]:
    """Its first figures, the checks that did not hold, and what was dropped for which reason."""
    figures = [f"{name}={value}" for name, value in report.figures.items()]
    lines = [f"  {', '.join(figures[:_SHOWN_FIGURES])}"] if figures else []
    lines += [f"  ✗ {check.name}  {check.detail}".rstrip() for check in report.checks if not check.held]
    return lines + [f"  dropped {count:>10,}  {stage}: {reason}" for stage, reason, count in dropped_by_reason(report)]


def dropped_by_reason(report: Report) -> list[tuple[str, str, int]]:
    """(stage, reason, documents) of what a cleaning run dropped, from the table of its report; empty for other jobs."""
    tables = [part for part in report.sections if isinstance(part, Table) and part.columns[:3] == _REASONS]
    return [(str(stage), str(reason), int(count or 0)) for table in tables for stage, reason, count, *_ in table.rows]
