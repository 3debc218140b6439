"""The gateway's figures, as Ray Serve exports them to Prometheus."""

from __future__ import annotations

from typing import Any

from ray.serve import metrics

from danlu.metrics import (
    GATEWAY_REQUEST_SECONDS,
    GATEWAY_REQUESTS,
    GATEWAY_TIME_TO_FIRST_TOKEN,
    GATEWAY_TOKENS,
    LATENCY_BUCKETS_S,
    Metric,
)


class GatewayMetrics:
    """Counters and histograms; to be made once in a process."""

    def __init__(self) -> None:
        self._requests = _counter(GATEWAY_REQUESTS)
        self._tokens = _counter(GATEWAY_TOKENS)
        self._first_token = _histogram(GATEWAY_TIME_TO_FIRST_TOKEN)
        self._seconds = _histogram(GATEWAY_REQUEST_SECONDS)

    def answered(self, *, model: str, route: str, status: int, seconds: float) -> None:
        """A request has left, or its client has gone."""
        self._requests.inc(tags={"model": model, "route": route, "code": str(status)})
        self._seconds.observe(seconds, tags={"model": model, "route": route})

    def first_token(self, model: str, seconds: float) -> None:
        """The first piece of an answer has come from the engine."""
        self._first_token.observe(seconds, tags={"model": model})

    def tokens(self, model: str, prompt: int, completion: int) -> None:
        """Tokens read and made for one request."""
        for kind, count in (("prompt", prompt), ("completion", completion)):
            if count:  # Ray's counters refuse to grow by 0
                self._tokens.inc(count, tags={"model": model, "kind": kind})


def _counter(metric: Metric) -> metrics.Counter:
    labels: Any = metric.labels  # Ray's annotation says one label, and means any number
    return metrics.Counter(metric.name, description=metric.help, tag_keys=labels)


def _histogram(metric: Metric) -> metrics.Histogram:
    labels: Any = metric.labels
    return metrics.Histogram(metric.name, description=metric.help, boundaries=LATENCY_BUCKETS_S, tag_keys=labels)
