"""Whether a dashboard will work: its queries parse and name metrics that exist, its panels fit the grid."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import promql_parser

from danlu.metrics import METRICS
from dashboards.panels import DATASOURCE_VARIABLE, GRID_COLUMNS
from dashboards.ray_metrics import RAY_METRICS

_HISTOGRAM_SUFFIXES = ("_bucket", "_sum", "_count")


def known_metrics() -> frozenset[str]:
    """Every name that a query may use, histogram parts included."""
    own = {metric.exported for metric in METRICS if metric.kind != "histogram"}
    parts = {
        metric.exported + suffix for metric in METRICS if metric.kind == "histogram" for suffix in _HISTOGRAM_SUFFIXES
    }
    return frozenset(own | parts | RAY_METRICS)


def check_expression(expression: str) -> list[str]:
    """Faults of a PromQL expression: it does not parse, or names a metric that nobody exports."""
    try:
        tree = promql_parser.parse(expression)
    except ValueError as error:
        return [f"{expression!r} is no PromQL: {error}"]
    unknown = sorted(set(_metric_names(tree)) - known_metrics())
    return [f"{expression!r} uses {name}, which nothing exports" for name in unknown]


def validate(dashboard: dict[str, Any]) -> list[str]:
    """Faults of a dashboard's JSON; empty when there are none."""
    faults = [f"{key} is missing" for key in ("uid", "title", "schemaVersion", "panels") if not dashboard.get(key)]
    if faults:
        return faults
    variables = [variable["name"] for variable in dashboard.get("templating", {}).get("list", [])]
    if DATASOURCE_VARIABLE not in variables:
        faults.append(f"templating lacks the variable {DATASOURCE_VARIABLE}")
    panels = dashboard["panels"]
    ids = [panel["id"] for panel in panels]
    if len(ids) != len(set(ids)):
        faults.append("panel ids repeat")
    faults += [fault for panel in panels for fault in _check_panel(panel)]
    faults += [
        f"panels {one['title']!r} and {other['title']!r} overlap"
        for one, other in itertools.combinations(panels, 2)
        if _overlap(one["gridPos"], other["gridPos"])
    ]
    return faults


def _check_panel(panel: dict[str, Any]) -> Iterator[str]:
    title, place = panel.get("title"), panel["gridPos"]
    if not title:
        yield f"panel {panel['id']} has no title"
    if place["x"] < 0 or place["x"] + place["w"] > GRID_COLUMNS:
        yield f"panel {title!r} leaves the grid of {GRID_COLUMNS} columns"
    if panel["type"] == "row":
        return
    if not panel["fieldConfig"]["defaults"].get("unit"):
        yield f"panel {title!r} has no unit"
    if not panel["targets"]:
        yield f"panel {title!r} has no query"
    for target in panel["targets"]:
        yield from check_expression(target["expr"])


def _overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    across = one["x"] < other["x"] + other["w"] and other["x"] < one["x"] + one["w"]
    return across and one["y"] < other["y"] + other["h"] and other["y"] < one["y"] + one["h"]


def _metric_names(node: Any) -> Iterator[str]:
    """Names of all vector selectors in a PromQL syntax tree."""
    name = getattr(node, "name", None)
    if isinstance(node, promql_parser.VectorSelector) and isinstance(name, str):
        yield name
    for attribute in ("expr", "lhs", "rhs", "param", "vector_selector", "vs"):
        child = getattr(node, attribute, None)
        if child is not None and not isinstance(child, str | int | float):
            yield from _metric_names(child)
    for argument in getattr(node, "args", None) or ():
        yield from _metric_names(argument)
