"""The config of `danlu dashboards`."""

from __future__ import annotations

from pydantic import Field

from danlu.config import JobConfig, Settings
from danlu.metrics import TARGETS_PATTERN


class GrafanaConfig(Settings):
    """Where dashboards are published."""

    url: str = Field(description="Grafana's address, such as https://grafana.example", pattern=r"^https?://")
    token_env: str = Field("GRAFANA_TOKEN", description="environment variable that holds a service-account token")
    folder: str = Field("danlu", description="title of a Grafana folder that exists; General is the root", min_length=1)


class DashboardsConfig(JobConfig):
    """`danlu dashboards`: dashboards, alert rules and scrape settings as files, and published where asked."""

    targets: str = Field(
        TARGETS_PATTERN,
        description="files in which Prometheus finds what to scrape; the default has those of Ray's heads and of danlu",
        pattern=r"^[^*]*(\*[^/]*)?\.(json|yml|yaml)$",  # as Prometheus demands it of file_sd_configs
    )
    grafana: GrafanaConfig | None = Field(None, description="publish to this Grafana; null only writes files")
