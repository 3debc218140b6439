"""The config of `danlu dashboards`."""

from __future__ import annotations

from pydantic import Field

from danlu.config import JobConfig, Settings


class GrafanaConfig(Settings):
    """Where dashboards are published."""

    url: str = Field(description="Grafana's address, such as https://grafana.example", pattern=r"^https?://")
    token_env: str = Field("GRAFANA_TOKEN", description="environment variable that holds a service-account token")
    folder: str = Field("danlu", description="title of a Grafana folder that exists; General is the root", min_length=1)


class DashboardsConfig(JobConfig):
    """`danlu dashboards`: dashboards, alert rules and scrape settings as files, and published where asked."""

    grafana: GrafanaConfig | None = Field(None, description="publish to this Grafana; null only writes files")
