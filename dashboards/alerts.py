"""Alert rules, as Prometheus reads them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from danlu.metrics import CUSTOMER_SERVICE_MESSAGES, ENGINE_WAITING, GATEWAY_REQUESTS, GATEWAY_TIME_TO_FIRST_TOKEN


@dataclass(frozen=True)
class Alert:
    """A condition that must hold for `lasting` before somebody is told what to do."""

    name: str
    expression: str
    lasting: str
    severity: Literal["page", "ticket"]
    summary: str
    action: str


_REQUESTS = GATEWAY_REQUESTS.exported
_MESSAGES = CUSTOMER_SERVICE_MESSAGES.exported

ALERTS: tuple[Alert, ...] = (
    Alert(
        "GatewayErrors",
        f'sum(rate({_REQUESTS}{{code=~"5.."}}[5m])) / sum(rate({_REQUESTS}[5m])) > 0.01',
        "5m",
        "page",
        "More than 1% of the gateway's requests fail",
        "Look at the replicas' logs and at the engines' health.",
    ),
    Alert(
        "FirstTokenSlow",
        f"histogram_quantile(0.95, sum by (le) (rate({GATEWAY_TIME_TO_FIRST_TOKEN.exported}_bucket[5m]))) > 2.5",
        "10m",
        "ticket",
        "One request in twenty waits more than 2.5 s for its first token",
        "Raise replicas.max of the model, or shorten prompts.",
    ),
    Alert(
        "EngineQueueGrows",
        f"min_over_time(sum by (model) ({ENGINE_WAITING.exported})[10m:1m]) > 0",
        "5m",
        "ticket",
        "Requests have waited in an engine for ten minutes without a pause",
        "Raise replicas.max of the model.",
    ),
    Alert(
        "EscalationsRise",
        f'sum(rate({_MESSAGES}{{outcome="handoff"}}[30m])) / sum(rate({_MESSAGES}[30m])) > 0.3',
        "30m",
        "ticket",
        "More than 30% of customer messages end at a person",
        "Read recent conversations; the knowledge base or a flow may lack something.",
    ),
    Alert(
        "MemoryNearlyFull",
        "ray_node_mem_used / ray_node_mem_total > 0.92",
        "5m",
        "page",
        "A machine's memory is nearly full; Ray kills workers at 95%",
        "Lower the job's workers, or add memory.",
    ),
)


def rules_file() -> dict[str, Any]:
    """The rules as the mapping that Prometheus' rule file holds."""
    rules = [
        {
            "alert": alert.name,
            "expr": alert.expression,
            "for": alert.lasting,
            "labels": {"severity": alert.severity},
            "annotations": {"summary": alert.summary, "action": alert.action},
        }
        for alert in ALERTS
    ]
    return {"groups": [{"name": "danlu", "rules": rules}]}


def scrape_file(targets: str) -> dict[str, Any]:
    """Prometheus settings: the rules above, and the files that list what to scrape.

    Args:
        targets: pattern of those files, read again whenever one of them changes.
    """
    return {
        "global": {"scrape_interval": "10s", "evaluation_interval": "10s"},
        "rule_files": ["alerts.yaml"],
        "scrape_configs": [{"job_name": "ray", "file_sd_configs": [{"files": [targets]}]}],
    }
