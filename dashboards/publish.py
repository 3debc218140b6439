"""Publishing to Grafana, through its maintained client (grafana-api-sdk)."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

from danlu.errors import ConfigError, RunError
from dashboards.catalogue import DASHBOARDS
from dashboards.config import GrafanaConfig
from dashboards.panels import to_grafana


def publish(config: GrafanaConfig) -> list[str]:
    """Create or replace every dashboard in the configured folder; returns their titles.

    Raises:
        ConfigError: the token's environment variable is empty.
        RunError: Grafana can't be reached or refuses; the message says what it answered.
    """
    from grafana_api.dashboard import Dashboard as DashboardApi
    from grafana_api.model import APIModel

    token = os.environ.get(config.token_env)
    if not token:
        raise ConfigError(
            f"grafana.token_env is {config.token_env!r}",
            rule="that environment variable is not set",
            fix="make a service account in Grafana with the Editor role and export its token",
        )
    api = DashboardApi(APIModel(config.url.rstrip("/"), token=token, retries=0))
    for dashboard in DASHBOARDS:
        with _explained(config, dashboard.title):
            api.create_or_update_dashboard(config.folder, to_grafana(dashboard), "published by danlu", overwrite=True)
    return [dashboard.title for dashboard in DASHBOARDS]


@contextmanager
def _explained(config: GrafanaConfig, title: str) -> Iterator[None]:
    # The client logs Grafana's answer and raises a bare Exception: the answer is what helps.
    said: list[str] = []
    handler = _Collector(said)
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    except Exception as error:
        raise RunError(
            f"dashboard {title!r} on {config.url}",
            rule="; ".join(said) or str(error) or type(error).__name__,
            fix=f"check grafana.url, the token in {config.token_env}, and that folder {config.folder!r} exists",
        ) from error
    finally:
        root.removeHandler(handler)


class _Collector(logging.Handler):
    def __init__(self, said: list[str]) -> None:
        super().__init__(logging.ERROR)
        self._said = said

    def emit(self, record: logging.LogRecord) -> None:
        self._said.append(record.getMessage())
