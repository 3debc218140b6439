"""The project's Prometheus metrics: the one list that emitters, dashboards and alert rules share.

Ray exports them with the prefix `ray_`; `Metric.exported` is the name that PromQL uses.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

# Where Prometheus finds what to scrape: a Ray head keeps a file here, and so does each local Ray of ours, by process.
TARGETS_FOLDER = Path("/tmp/ray")
TARGETS_NAME = "prom_metrics_service_discovery-{pid}.json"
TARGETS_PATTERN = "/tmp/ray/prom_metrics_service_discovery*.json"

# Seconds. Time to first token on a CPU is tens of milliseconds, a long answer takes a minute.
LATENCY_BUCKETS_S = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0]

# Seconds between two tokens: a few milliseconds on a GPU, tens on a CPU.
TOKEN_BUCKETS_S = [0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5, 1.0]


@dataclass(frozen=True)
class Metric:
    """A metric's name (unit last, as Prometheus advises), kind, labels and help text."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    help: str

    @property
    def exported(self) -> str:
        """The name that Prometheus sees."""
        return f"ray_{self.name}"


GATEWAY_REQUESTS = Metric(
    "danlu_gateway_requests_total", "counter", ("model", "route", "code"), "requests answered, by HTTP status"
)
GATEWAY_TOKENS = Metric(
    "danlu_gateway_tokens_total", "counter", ("model", "kind"), "tokens, kind = prompt or completion"
)
GATEWAY_TIME_TO_FIRST_TOKEN = Metric(
    "danlu_gateway_time_to_first_token_seconds", "histogram", ("model",), "seconds until the first token left"
)
GATEWAY_REQUEST_SECONDS = Metric(
    "danlu_gateway_request_seconds", "histogram", ("model", "route"), "seconds from request to last byte"
)
GATEWAY_INTER_TOKEN = Metric(
    "danlu_gateway_inter_token_seconds", "histogram", ("model",), "mean seconds between the tokens of a streamed answer"
)
GATEWAY_OPEN = Metric("danlu_gateway_open_requests", "gauge", (), "requests that have come and not left")
GATEWAY_ABORTS = Metric(
    "danlu_gateway_aborts_total",
    "counter",
    ("model", "reason"),
    "requests cut short, reason = client_gone, deadline, replica_died or failed",
)
GATEWAY_RETRIES = Metric(
    "danlu_gateway_retries_total", "counter", ("model",), "times that another replica was asked after one had died"
)
GATEWAY_KEY_REQUESTS = Metric(
    "danlu_gateway_key_requests_total", "counter", ("key", "code"), "requests by the name of their API key"
)
GATEWAY_KEY_TOKENS = Metric(
    "danlu_gateway_key_tokens_total", "counter", ("key", "kind"), "tokens by the name of their API key"
)
GATEWAY_VERSION_REQUESTS = Metric(
    "danlu_gateway_version_requests_total", "counter", ("model", "version", "code"), "requests by version of the model"
)
GATEWAY_VERSION_SECONDS = Metric(
    "danlu_gateway_version_seconds",
    "histogram",
    ("model", "version"),
    "seconds to an answer's beginning (the first token where it is streamed), by version of the model",
)
ENGINE_RUNNING = Metric("danlu_engine_running_requests", "gauge", ("model",), "sequences in the engine's batch")
ENGINE_WAITING = Metric("danlu_engine_waiting_requests", "gauge", ("model",), "requests waiting for the engine")
ENGINE_TOKENS = Metric(
    "danlu_engine_tokens_total", "counter", ("model", "kind"), "tokens in the engine, kind = prompt or generation"
)
ENGINE_KV_CACHE_USE = Metric(
    "danlu_engine_kv_cache_use", "gauge", ("model",), "share of the KV cache that is taken, 0 to 1"
)
CUSTOMER_SERVICE_MESSAGES = Metric(
    "danlu_customer_service_messages_total",
    "counter",
    ("intent", "outcome"),
    "messages, outcome = answered, flow, not_found or handoff",
)
CUSTOMER_SERVICE_SECONDS = Metric("danlu_customer_service_message_seconds", "histogram", (), "seconds for a reply")
CODE_GENERATION_SOLUTIONS = Metric(
    "danlu_code_generation_solutions_total",
    "counter",
    ("origin", "outcome"),
    "solutions, origin = template, model or none; outcome = passed, unchecked or failed",
)
CODE_GENERATION_SECONDS = Metric("danlu_code_generation_seconds", "histogram", (), "seconds for a solution")
TRAINING_LOSS = Metric("danlu_training_loss", "gauge", ("run",), "cross entropy of the last step, nats per token")
TRAINING_VALIDATION_LOSS = Metric(
    "danlu_training_validation_loss", "gauge", ("run",), "cross entropy of the held-out documents, nats per token"
)
TRAINING_STEP = Metric("danlu_training_step", "gauge", ("run",), "optimizer steps done")
TRAINING_TOKENS_PER_SECOND = Metric(
    "danlu_training_tokens_per_second", "gauge", ("run",), "of the last step, over all workers"
)
TRAINING_GRADIENT_NORM = Metric("danlu_training_gradient_norm", "gauge", ("run",), "of the last step, before clipping")
TRAINING_LEARNING_RATE = Metric("danlu_training_learning_rate", "gauge", ("run",), "of the last step")
TRAINING_SKIPPED = Metric(
    "danlu_training_skipped_steps", "gauge", ("run",), "steps left out for their loss since the workers started"
)

METRICS: tuple[Metric, ...] = (
    GATEWAY_REQUESTS,
    GATEWAY_TOKENS,
    GATEWAY_TIME_TO_FIRST_TOKEN,
    GATEWAY_REQUEST_SECONDS,
    GATEWAY_INTER_TOKEN,
    GATEWAY_OPEN,
    GATEWAY_ABORTS,
    GATEWAY_RETRIES,
    GATEWAY_KEY_REQUESTS,
    GATEWAY_KEY_TOKENS,
    GATEWAY_VERSION_REQUESTS,
    GATEWAY_VERSION_SECONDS,
    ENGINE_RUNNING,
    ENGINE_WAITING,
    ENGINE_TOKENS,
    ENGINE_KV_CACHE_USE,
    CUSTOMER_SERVICE_MESSAGES,
    CUSTOMER_SERVICE_SECONDS,
    CODE_GENERATION_SOLUTIONS,
    CODE_GENERATION_SECONDS,
    TRAINING_LOSS,
    TRAINING_VALIDATION_LOSS,
    TRAINING_STEP,
    TRAINING_TOKENS_PER_SECOND,
    TRAINING_GRADIENT_NORM,
    TRAINING_LEARNING_RATE,
    TRAINING_SKIPPED,
)
