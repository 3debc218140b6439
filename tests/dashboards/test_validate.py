from __future__ import annotations

import copy
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from danlu.metrics import METRICS, TARGETS_PATTERN
from dashboards.build import build_all, faults
from dashboards.catalogue import DASHBOARDS, GATEWAY
from dashboards.panels import to_grafana
from dashboards.ray_metrics import RAY_METRICS
from dashboards.validate import check_expression, known_metrics, validate


def test_nothing_of_ours_has_a_fault() -> None:
    assert faults() == []


def test_every_metric_of_ours_is_watched() -> None:
    text = " ".join(query.expression for page in DASHBOARDS for query in page.queries())
    assert not [metric.name for metric in METRICS if metric.exported not in text]


def test_rays_metrics_are_those_of_its_own_dashboards() -> None:
    spec = find_spec("ray")
    assert spec is not None and spec.origin is not None
    folder = Path(spec.origin).parent / "dashboard" / "modules" / "metrics" / "dashboards"
    text = "".join(file.read_text() for file in folder.glob("*.py"))
    assert not [name for name in sorted(RAY_METRICS) if name not in text]


@pytest.mark.parametrize(
    ("expression", "word"),
    [
        ("sum(rate(ray_danlu_gateway_requests_total[5m])", "no PromQL"),
        ("sum(ray_danlu_invented)", "ray_danlu_invented, which nothing exports"),
        ("ray_tasks / on () group_left (-ray_invented)", "ray_invented"),
        ("max_over_time(sum(ray_invented)[10m:1m])", "ray_invented"),
        ("histogram_quantile(0.9, ray_danlu_gateway_request_seconds)", "nothing exports"),
    ],
)
def test_a_wrong_query_is_named(expression: str, word: str) -> None:
    assert any(word in fault for fault in check_expression(expression))


def broken(change: Any) -> list[str]:
    page = copy.deepcopy(to_grafana(GATEWAY))
    change(page)
    return validate(page)


def test_a_wrong_page_is_named() -> None:
    assert validate({"uid": "a"}) == ["title is missing", "schemaVersion is missing", "panels is missing"]
    assert "panel ids repeat" in broken(lambda page: page["panels"][1].update(id=1))
    assert any("overlap" in f for f in broken(lambda page: page["panels"][2]["gridPos"].update(x=0)))
    assert any("leaves the grid" in f for f in broken(lambda page: page["panels"][2]["gridPos"].update(x=20)))
    assert any("no unit" in f for f in broken(lambda page: page["panels"][1]["fieldConfig"]["defaults"].pop("unit")))
    assert any("no query" in f for f in broken(lambda page: page["panels"][1].update(targets=[])))
    assert any("lacks the variable" in f for f in broken(lambda page: page["templating"].update(list=[])))


def test_histograms_are_known_by_their_parts() -> None:
    names = known_metrics()
    assert "ray_danlu_gateway_request_seconds_bucket" in names and "ray_danlu_gateway_request_seconds" not in names


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_prometheus_takes_rules_and_settings(tmp_path: Path) -> None:
    def write(name: str, text: str) -> None:
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)

    assert len(build_all(write, TARGETS_PATTERN)) == len(DASHBOARDS) + 2
    command = ["promtool", "check", "config", str(tmp_path / "prometheus" / "prometheus.yaml")]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "rules found" in result.stdout
