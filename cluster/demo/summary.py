"""The demo's closing table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from danlu.html import format_number
from danlu.progress import duration
from danlu.report import Report

_FIGURES = 4


def print_summary(reports: Mapping[str, Sequence[Report] | None], page: str) -> None:
    """Print a row per report: stage, time, main figures, whether its checks held; then where the page lies."""
    table = Table(show_edge=False, pad_edge=False, header_style="bold")
    for column in ("stage", "time", "figures", "checks"):
        table.add_column(column, overflow="fold")
    for stage, found in reports.items():
        if not found:
            table.add_row(stage, "", "not run", "")
        for report in found or ():
            table.add_row(report.job, duration(report.seconds), headline(report), _checks(report))
    console = Console()
    console.print()
    console.print(table)
    seconds = sum(report.seconds for found in reports.values() for report in found or ())
    console.print(f"\n{duration(seconds)} in all. Report: {page}", highlight=False, soft_wrap=True)


def headline(report: Report) -> str:
    """The first figures of a report, as text."""
    figures = list(report.figures.items())[:_FIGURES]
    return ", ".join(f"{name.replace('_', ' ')} {format_number(value)}" for name, value in figures)


def _checks(report: Report) -> str:
    broken = [check.name for check in report.checks if not check.held]
    if broken:
        return "[red]✗ " + "; ".join(broken) + "[/red]"
    return f"[green]✓ {len(report.checks)}[/green]"
