"""`danlu dashboards`: build, check, and publish where asked."""

from __future__ import annotations

from danlu.progress import Progress
from danlu.report import Check, Report, Scalar, Section, Table
from danlu.run_directory import RunDirectory
from dashboards.config import DashboardsConfig


def inputs(config: DashboardsConfig) -> list[str]:
    """None: the dashboards are code."""
    return []


def resources(config: DashboardsConfig) -> dict[str, float]:
    """None: no Ray is needed."""
    return {}


def run(config: DashboardsConfig, run: RunDirectory, progress: Progress) -> Report:
    """Write all files, check them, and publish the dashboards when `grafana` is set."""
    from dashboards.alerts import ALERTS
    from dashboards.build import build_all, faults
    from dashboards.catalogue import DASHBOARDS

    with progress.stage("build dashboards", unit="files") as stage:
        files = build_all(run.write_text, config.targets)
        stage.update(len(files))
    found = faults()
    checks = [Check(name="every panel and query is valid", held=not found, detail="; ".join(found[:3]))]
    if config.grafana is not None and not found:
        from dashboards.publish import publish

        with progress.stage(f"publish to {config.grafana.url}", unit="dashboards") as stage:
            stage.update(len(publish(config.grafana)))
    figures: dict[str, Scalar] = {
        "dashboards": len(DASHBOARDS),
        "queries": sum(len(page.queries()) for page in DASHBOARDS),
        "alert_rules": len(ALERTS),
        "published": config.grafana is not None and not found,
    }
    pages: list[list[Scalar]] = [
        [page.title, sum(map(len, page.sections.values())), page.description] for page in DASHBOARDS
    ]
    rules: list[list[Scalar]] = [[alert.name, alert.severity, alert.summary, alert.action] for alert in ALERTS]
    sections: list[Section] = [
        Table(title="Dashboards", columns=["title", "panels", "what it shows"], rows=pages),
        Table(title="Alert rules", columns=["name", "severity", "when", "what to do"], rows=rules),
    ]
    return Report(job="dashboards", figures=figures, checks=checks, sections=sections)
