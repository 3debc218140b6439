"""The lineage of a run as a tree on the terminal."""

from __future__ import annotations

import click

from danlu.errors import InputError
from danlu.lineage import Lineage, ancestors, run_directory_of
from danlu.run_directory import read_report

_SHOWN_INPUTS = 5


def print_lineage(path: str) -> None:
    """Print `path`'s run and its ancestors, each with figures, inputs and code version.

    Raises:
        InputError: `path` lies in no run directory.
    """
    run = run_directory_of(path)
    if run is None:
        raise InputError(f"{path} lies in no run directory", rule="no lineage.json at or above it")
    for depth, folder, lineage in ancestors(run):
        for line in describe_run(folder, lineage):
            click.echo("    " * depth + line)


def describe_run(folder: str, lineage: Lineage) -> list[str]:
    """A run in a few lines: job, folder, time, code, its first inputs, its figures."""
    lines = [f"{lineage.job}  {folder}", f"  {lineage.created}  danlu {lineage.code_version}"]
    for file in lineage.inputs[:_SHOWN_INPUTS]:
        lines.append(f"  input {file.digest[:12]}  {file.size_bytes:>12,} bytes  {file.path}")
    if len(lineage.inputs) > _SHOWN_INPUTS:
        lines.append(f"  ... and {len(lineage.inputs) - _SHOWN_INPUTS} more inputs")
    report = read_report(folder)
    if report is None:
        lines.append("  not finished")
    else:
        figures = [f"{name}={value}" for name, value in report.figures.items()]
        lines.append(f"  {', '.join(figures[:6])}")
    return lines
