"""Dashboards, alert rules and scrape settings as files that Grafana and Prometheus take."""

from __future__ import annotations

import json
from collections.abc import Callable

import yaml

from dashboards.alerts import ALERTS, rules_file, scrape_file
from dashboards.catalogue import DASHBOARDS
from dashboards.panels import to_grafana
from dashboards.validate import check_expression, validate


def build_all(write: Callable[[str, str], None], targets: str) -> list[str]:
    """Hand every file (name, text) to `write`; returns the names.

    Args:
        targets: pattern of the files in which Prometheus finds what to scrape.
    """
    files = {
        f"grafana/{dashboard.uid}.json": json.dumps(to_grafana(dashboard), ensure_ascii=False, indent=2)
        for dashboard in DASHBOARDS
    }
    files["prometheus/alerts.yaml"] = yaml.safe_dump(rules_file(), sort_keys=False, allow_unicode=True)
    files["prometheus/prometheus.yaml"] = yaml.safe_dump(scrape_file(targets), sort_keys=False)
    for name, text in files.items():
        write(name, text)
    return list(files)


def faults() -> list[str]:
    """All faults of all dashboards and alert rules; empty when there are none."""
    found = [f"{page.title}: {fault}" for page in DASHBOARDS for fault in validate(to_grafana(page))]
    found += [f"alert {alert.name}: {fault}" for alert in ALERTS for fault in check_expression(alert.expression)]
    uids = [page.uid for page in DASHBOARDS]
    if len(uids) != len(set(uids)):
        found.append("dashboard uids repeat")
    return found
