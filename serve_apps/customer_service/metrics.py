"""The application's figures, as Ray Serve exports them to Prometheus."""

from __future__ import annotations

from typing import Any

from ray.serve import metrics

from danlu.metrics import CUSTOMER_SERVICE_MESSAGES, CUSTOMER_SERVICE_SECONDS, LATENCY_BUCKETS_S


class CustomerServiceMetrics:
    """Counter and histogram; to be made once in a process."""

    def __init__(self) -> None:
        labels: Any = CUSTOMER_SERVICE_MESSAGES.labels  # Ray's annotation says one label, and means any number
        self._messages = metrics.Counter(
            CUSTOMER_SERVICE_MESSAGES.name, description=CUSTOMER_SERVICE_MESSAGES.help, tag_keys=labels
        )
        self._seconds = metrics.Histogram(
            CUSTOMER_SERVICE_SECONDS.name, description=CUSTOMER_SERVICE_SECONDS.help, boundaries=LATENCY_BUCKETS_S
        )

    def replied(self, intent: str, outcome: str, seconds: float) -> None:
        """A message has been answered."""
        self._messages.inc(tags={"intent": intent, "outcome": outcome})
        self._seconds.observe(seconds)
