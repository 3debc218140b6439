"""The gateway's figures, as Ray Serve exports them to Prometheus."""

from __future__ import annotations

from typing import Any

from ray.serve import metrics

from danlu.metrics import (
    GATEWAY_ABORTS,
    GATEWAY_INTER_TOKEN,
    GATEWAY_KEY_REQUESTS,
    GATEWAY_KEY_TOKENS,
    GATEWAY_OPEN,
    GATEWAY_REQUEST_SECONDS,
    GATEWAY_REQUESTS,
    GATEWAY_RETRIES,
    GATEWAY_TIME_TO_FIRST_TOKEN,
    GATEWAY_TOKENS,
    LATENCY_BUCKETS_S,
    TOKEN_BUCKETS_S,
    Metric,
)
from serve_apps.request_record import NO_KEY, RequestRecord, current_record

# Each label value is a time series for ever; keys beyond these are counted together.
_MOST_KEYS = 200
_OTHER_KEYS = "others"


class GatewayMetrics:
    """Counters and histograms; to be made once in a process."""

    def __init__(self) -> None:
        self._requests = _counter(GATEWAY_REQUESTS)
        self._tokens = _counter(GATEWAY_TOKENS)
        self._aborts = _counter(GATEWAY_ABORTS)
        self._retries = _counter(GATEWAY_RETRIES)
        self._key_requests = _counter(GATEWAY_KEY_REQUESTS)
        self._key_tokens = _counter(GATEWAY_KEY_TOKENS)
        self._first_token = _histogram(GATEWAY_TIME_TO_FIRST_TOKEN, LATENCY_BUCKETS_S)
        self._inter_token = _histogram(GATEWAY_INTER_TOKEN, TOKEN_BUCKETS_S)
        self._seconds = _histogram(GATEWAY_REQUEST_SECONDS, LATENCY_BUCKETS_S)
        self._open_gauge = metrics.Gauge(GATEWAY_OPEN.name, description=GATEWAY_OPEN.help)
        self._open = 0
        self._keys: set[str] = set()

    def entered(self) -> None:
        """A request has come."""
        self._open += 1
        self._open_gauge.set(self._open)

    def left(self, record: RequestRecord, seconds: float) -> None:
        """A request has left, or its client has gone; its record is complete."""
        self._open -= 1
        self._open_gauge.set(self._open)
        model = {"model": record.model}
        self._requests.inc(tags={**model, "route": record.route, "code": str(record.status)})
        self._seconds.observe(seconds, tags={**model, "route": record.route})
        if record.error:
            self._aborts.inc(tags={**model, "reason": record.error})
        if record.retries:
            self._retries.inc(record.retries, tags=model)
        gap_s = record.inter_token_s()
        if gap_s is not None:
            self._inter_token.observe(gap_s, tags=model)
        if record.key != NO_KEY:
            self._of_key(record)

    def first_token(self, model: str, seconds: float) -> None:
        """The first piece of an answer has come from the engine."""
        self._first_token.observe(seconds, tags={"model": model})

    def tokens(self, model: str, prompt: int, completion: int) -> None:
        """Tokens read and made for one request."""
        _add(self._tokens, prompt, completion, {"model": model})
        record = current_record()
        if record is not None:
            record.count(prompt, completion)

    def _of_key(self, record: RequestRecord) -> None:
        name = record.key if record.key in self._keys or len(self._keys) < _MOST_KEYS else _OTHER_KEYS
        self._keys.add(name)
        self._key_requests.inc(tags={"key": name, "code": str(record.status)})
        _add(self._key_tokens, record.prompt_tokens, record.completion_tokens, {"key": name})


def _add(counter: metrics.Counter, prompt: int, completion: int, tags: dict[str, str]) -> None:
    for kind, count in (("prompt", prompt), ("completion", completion)):
        if count:  # Ray's counters refuse to grow by 0
            counter.inc(count, tags={**tags, "kind": kind})


def _counter(metric: Metric) -> metrics.Counter:
    labels: Any = metric.labels  # Ray's annotation says one label, and means any number
    return metrics.Counter(metric.name, description=metric.help, tag_keys=labels)


def _histogram(metric: Metric, buckets: list[float]) -> metrics.Histogram:
    labels: Any = metric.labels
    return metrics.Histogram(metric.name, description=metric.help, boundaries=buckets, tag_keys=labels)
