"""Results as Markdown tables, and their place in a page."""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path

Cell = str | int | float | None


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """A table; the first column is text, the others are set right. None is an empty cell."""
    lines = [list(columns), ["---", *["---:"] * (len(columns) - 1)]]
    lines += [[format_cell(cell) for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def format_cell(cell: Cell) -> str:
    """Whole numbers in groups of three digits; others with three to four significant digits."""
    if cell is None:
        return ""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, int) or abs(cell) >= 1000:
        return f"{cell:,.0f}"
    if abs(cell) >= 100:
        return f"{cell:.0f}"
    return f"{cell:.1f}" if abs(cell) >= 10 else f"{cell:.3f}"


def median_and_range(values: Sequence[float]) -> str:
    """`median (least to greatest)`."""
    middle = format_cell(statistics.median(values))
    return f"{middle} ({format_cell(min(values))} to {format_cell(max(values))})"


def replace_section(page: str, name: str, body: str) -> str:
    """`page` with `body` between the marks of section `name`; the section is added at the end when it is missing."""
    begin, end = f"<!-- {name}: written by the benchmark -->", f"<!-- {name}: end -->"
    section = f"{begin}\n{body.strip()}\n{end}"
    if begin not in page:
        return f"{page.rstrip()}\n\n{section}\n" if page.strip() else f"{section}\n"
    before, _, rest = page.partition(begin)
    _, mark, after = rest.partition(end)
    if not mark:
        raise ValueError(f"section {name!r} has a begin but no end ({end})")
    return before + section + after


def add_write_option(parser: argparse.ArgumentParser) -> None:
    """`--write PAGE`, for `publish`."""
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the result into its section of this page")


def publish(name: str, body: str, page: Path | None) -> None:
    """Print a result, and put it into its section of `page`."""
    print(f"\n{body}")
    if page is not None:
        old = page.read_text(encoding="utf-8") if page.exists() else ""
        page.write_text(replace_section(old, name, body), encoding="utf-8")
