"""What an engine is doing, as Ray Serve exports it to Prometheus."""

from __future__ import annotations

from typing import Any

from ray.serve import metrics

from actors.engines.protocol import EngineStats
from danlu.metrics import (
    ENGINE_KV_CACHE_USE,
    ENGINE_RUNNING,
    ENGINE_TOKENS,
    ENGINE_WAITING,
    Metric,
)


class EngineGauges:
    """The gauges of one model; to be made once in a process."""

    def __init__(self, model: str) -> None:
        self._tags = {"model": model}
        self._running, self._waiting = _gauge(ENGINE_RUNNING), _gauge(ENGINE_WAITING)
        self._kv_cache = _gauge(ENGINE_KV_CACHE_USE)
        labels: Any = ENGINE_TOKENS.labels
        self._tokens = metrics.Counter(ENGINE_TOKENS.name, description=ENGINE_TOKENS.help, tag_keys=labels)
        self._counted = {"prompt": 0, "generation": 0}

    def show(self, stats: EngineStats) -> None:
        """Set everything to what the engine says now. What it can't say is left out."""
        self._running.set(stats.running, tags=self._tags)
        self._waiting.set(stats.waiting, tags=self._tags)
        if stats.kv_cache_use is not None:
            self._kv_cache.set(stats.kv_cache_use, tags=self._tags)
        for kind, total in (("prompt", stats.prompt_tokens), ("generation", stats.completion_tokens)):
            if total > self._counted[kind]:
                self._tokens.inc(total - self._counted[kind], tags={**self._tags, "kind": kind})
                self._counted[kind] = total


def _gauge(metric: Metric) -> metrics.Gauge:
    labels: Any = metric.labels  # Ray's annotation says one label, and means any number
    return metrics.Gauge(metric.name, description=metric.help, tag_keys=labels)
