"""Panels and dashboards as typed values, and the JSON that Grafana imports (schema version 39)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

GRID_COLUMNS = 24
SCHEMA_VERSION = 39
DATASOURCE_VARIABLE = "datasource"
_DATASOURCE = {"type": "prometheus", "uid": f"${{{DATASOURCE_VARIABLE}}}"}

# Grafana's own unit ids.
Unit = Literal["short", "reqps", "s", "percentunit", "bytes", "cps", "ms", "rowsps"]


@dataclass(frozen=True)
class Query:
    """A PromQL expression and the legend of its series (`{{label}}` is filled in)."""

    expression: str
    legend: str = ""


@dataclass(frozen=True)
class Panel:
    """One chart. `width` is in grid columns (24 make a row), `height` in grid rows."""

    title: str
    unit: Unit
    queries: tuple[Query, ...]
    description: str
    kind: Literal["timeseries", "stat"] = "timeseries"
    width: int = 12
    height: int = 8


@dataclass(frozen=True)
class Dashboard:
    """A page of panels in sections. `uid` stays the same for ever: links and publishing go by it."""

    uid: str
    title: str
    description: str
    sections: dict[str, tuple[Panel, ...]] = field(default_factory=dict)

    def queries(self) -> list[Query]:
        """Every query of the page."""
        return [query for panels in self.sections.values() for panel in panels for query in panel.queries]


def to_grafana(dashboard: Dashboard) -> dict[str, Any]:
    """The JSON model that Grafana imports; panels are laid out row by row, left to right."""
    panels: list[dict[str, Any]] = []
    top = 0
    for title, section in dashboard.sections.items():
        panels.append(_row(len(panels) + 1, title, top))
        top = _place(panels, section, top + 1)
    return {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "description": dashboard.description,
        "tags": ["danlu"],
        "schemaVersion": SCHEMA_VERSION,
        "editable": True,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": [_datasource_variable()]},
        "panels": panels,
    }


def _place(panels: list[dict[str, Any]], section: Sequence[Panel], top: int) -> int:
    """Append a section's panels from grid row `top` on; returns the first free row below."""
    left, height = 0, 0
    for panel in section:
        if left + panel.width > GRID_COLUMNS:
            top, left, height = top + height, 0, 0
        panels.append(_panel(len(panels) + 1, panel, left, top))
        left, height = left + panel.width, max(height, panel.height)
    return top + height


def _panel(number: int, panel: Panel, left: int, top: int) -> dict[str, Any]:
    targets = [
        {"refId": chr(ord("A") + i), "expr": query.expression, "legendFormat": query.legend, "datasource": _DATASOURCE}
        for i, query in enumerate(panel.queries)
    ]
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": _DATASOURCE,
        "gridPos": {"x": left, "y": top, "w": panel.width, "h": panel.height},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}} if panel.kind == "timeseries" else {},
        "targets": targets,
    }


def _row(number: int, title: str, top: int) -> dict[str, Any]:
    place = {"x": 0, "y": top, "w": GRID_COLUMNS, "h": 1}
    return {"id": number, "type": "row", "title": title, "gridPos": place, "collapsed": False, "panels": []}


def _datasource_variable() -> dict[str, Any]:
    return {"name": DATASOURCE_VARIABLE, "label": "Prometheus", "type": "datasource", "query": "prometheus"}
