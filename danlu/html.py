"""A report as one self-contained HTML page: no scripts, no requests, readable in light and dark."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from danlu.progress import duration
from danlu.report import Bars, Lines, Report, Scalar, Table

_GREY = "#8a93a1"
_COLOURS = ("#b4461f", "#2f6f9f", "#3a8f5c", "#8a5fb0", "#b58900", "#5c6b7a")


def render_html(reports: Sequence[Report], title: str, subtitle: str = "") -> str:
    """The page that shows `reports` one below the other."""
    return _template().render(
        reports=reports,
        title=title,
        subtitle=subtitle,
        duration=duration,
        number=format_number,
        numeric=_is_numeric_column,
        share=_share,
        chart=_draw_lines,
    )


def format_number(value: Scalar) -> str:
    """Numbers as people read them: thousands separated, four significant digits; other values as text."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "–"
    if isinstance(value, float) and not value.is_integer():
        return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:,.4g}"
    return f"{value:,.0f}" if isinstance(value, int | float) else str(value)


@cache
def _template() -> Any:
    environment = Environment(loader=PackageLoader("danlu"), autoescape=True, undefined=StrictUndefined)
    return environment.get_template("report.html.j2")


def _is_numeric_column(table: Table, column: int) -> bool:
    cells = [row[column] for row in table.rows if column < len(row) and row[column] is not None]
    return bool(cells) and all(isinstance(cell, int | float) and not isinstance(cell, bool) for cell in cells)


def _share(bars: Bars, value: float) -> float:
    longest = max((abs(v) for _, v in bars.bars), default=0.0)
    return round(100 * abs(value) / longest, 2) if longest else 0.0


def _draw_lines(lines: Lines) -> Markup:
    from matplotlib import rc_context
    from matplotlib.figure import Figure  # the object interface: no display, no global state

    # Text stays text, so the reader's own fonts draw Chinese; a fixed salt makes the page reproducible.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "danlu", "font.family": "sans-serif"}):
        figure = Figure(figsize=(8.6, 3.2), layout="constrained")
        figure.patch.set_alpha(0)
        axes = figure.add_subplot()
        axes.patch.set_alpha(0)
        for index, (name, points) in enumerate(lines.series.items()):
            marker = "o" if len(points) < 30 else None
            colour = _COLOURS[index % len(_COLOURS)]
            xs, ys = [x for x, _ in points], [y for _, y in points]
            axes.plot(xs, ys, label=name, color=colour, linewidth=1.6, marker=marker, markersize=3)
        axes.set_xlabel(lines.x_label, color=_GREY)
        axes.set_ylabel(lines.y_label, color=_GREY)
        if lines.log_y:
            axes.set_yscale("log")
        axes.tick_params(colors=_GREY)
        axes.grid(color=_GREY, alpha=0.2)
        for spine in axes.spines.values():
            spine.set_visible(False)
        if len(lines.series) > 1:
            axes.legend(frameon=False, labelcolor=_GREY)
        drawing = io.StringIO()
        figure.savefig(drawing, format="svg", metadata={"Date": None})
    text = drawing.getvalue()
    return Markup(text[text.index("<svg") :])
