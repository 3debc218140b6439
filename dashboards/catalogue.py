"""The dashboards: what an operator watches, page by page."""

from __future__ import annotations

from danlu.metrics import (
    CODE_GENERATION_SECONDS,
    CODE_GENERATION_SOLUTIONS,
    CUSTOMER_SERVICE_MESSAGES,
    CUSTOMER_SERVICE_SECONDS,
    ENGINE_KV_CACHE_USE,
    ENGINE_RUNNING,
    ENGINE_TOKENS,
    ENGINE_WAITING,
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
    GATEWAY_VERSION_REQUESTS,
    GATEWAY_VERSION_SECONDS,
    TRAINING_GRADIENT_NORM,
    TRAINING_LEARNING_RATE,
    TRAINING_LOSS,
    TRAINING_SKIPPED,
    TRAINING_STEP,
    TRAINING_TOKENS_PER_SECOND,
    TRAINING_VALIDATION_LOSS,
    Metric,
)
from dashboards.panels import Dashboard, Panel, Query

_WINDOW = "5m"


def rate(metric: Metric, by: str, matching: str = "") -> Query:
    """Events per second of a counter, one series for each value of label `by` (or of several: `model, version`)."""
    selector = f"{{{matching}}}" if matching else ""
    return Query(f"sum by ({by}) (rate({metric.exported}{selector}[{_WINDOW}]))", _legend(by))


def quantile(metric: Metric, share: float, by: str = "") -> Query:
    """A quantile of a histogram in its unit, over all series or for each value of label `by`."""
    labels, legend = ("le", f"p{share * 100:g}") if not by else (f"le, {by}", f"p{share * 100:g} {_legend(by)}")
    buckets = f"sum by ({labels}) (rate({metric.exported}_bucket[{_WINDOW}]))"
    return Query(f"histogram_quantile({share}, {buckets})", legend)


def _legend(by: str) -> str:
    return " ".join(f"{{{{{label}}}}}" for label in by.split(", "))


def share_of(metric: Metric, matching: str, legend: str) -> Query:
    """The share of a counter's events that match; no value while there are no events."""
    part = f"sum(rate({metric.exported}{{{matching}}}[{_WINDOW}]))"
    return Query(f"{part} / sum(rate({metric.exported}[{_WINDOW}]))", legend)


def last(metric: Metric, legend: str = "{{run}}") -> Query:
    """A gauge as it is, one series for each run."""
    return Query(f"max by (run) ({metric.exported})", legend)


def _latency(metric: Metric, by: str = "") -> tuple[Query, ...]:
    return tuple(quantile(metric, share, by) for share in (0.5, 0.95, 0.99))


GATEWAY = Dashboard(
    uid="danlu-gateway",
    title="danlu / gateway and engines",
    description="Requests, latency and tokens of the OpenAI-compatible gateway, and the engines behind it.",
    sections={
        "Requests": (
            Panel("Requests", "reqps", (rate(GATEWAY_REQUESTS, "model"),), "Requests answered per second, by model."),
            Panel("Status codes", "reqps", (rate(GATEWAY_REQUESTS, "code"),), "429 = full, 499 = the client left."),
            Panel("Request time", "s", _latency(GATEWAY_REQUEST_SECONDS), "From the request to its last byte."),
            Panel(
                "Time to first token",
                "s",
                _latency(GATEWAY_TIME_TO_FIRST_TOKEN),
                "What a person waits before text appears.",
            ),
            Panel(
                "Time between tokens",
                "s",
                _latency(GATEWAY_INTER_TOKEN),
                "Of streamed answers: how quickly text flows. About 0.1 s is reading speed.",
            ),
            Panel(
                "Open requests",
                "short",
                (Query(f"sum({GATEWAY_OPEN.exported})", "open"),),
                "In all gateways, those that wait for a model included.",
            ),
            Panel(
                "Cut short",
                "reqps",
                (rate(GATEWAY_ABORTS, "reason"), rate(GATEWAY_RETRIES, "model")),
                "By reason; and, by model, how often another replica was asked because one had died.",
            ),
        ),
        "Keys": (
            Panel("Requests by key", "reqps", (rate(GATEWAY_KEY_REQUESTS, "key"),), "Requests per second."),
            Panel("Tokens by key", "cps", (rate(GATEWAY_KEY_TOKENS, "key"),), "Prompts and answers, per second."),
            Panel(
                "Refused by limits",
                "reqps",
                (rate(GATEWAY_KEY_REQUESTS, "key", 'code="429"'),),
                "A key that stays here asks more than it may; `danlu keys` shows its limits.",
            ),
        ),
        "Engines": (
            Panel("Tokens", "cps", (rate(GATEWAY_TOKENS, "kind"),), "Prompt and completion tokens per second."),
            Panel(
                "Sequences in the engines",
                "short",
                (
                    Query(f"sum by (model) ({ENGINE_RUNNING.exported})", "running {{model}}"),
                    Query(f"sum by (model) ({ENGINE_WAITING.exported})", "waiting {{model}}"),
                ),
                "Waiting sequences that do not go away mean that replicas are too few.",
            ),
            Panel(
                "Work of the engines",
                "cps",
                (rate(ENGINE_TOKENS, "kind"),),
                "Tokens per second, those of clients that left included.",
            ),
            Panel(
                "KV cache",
                "percentunit",
                (Query(f"max by (model) ({ENGINE_KV_CACHE_USE.exported})", "{{model}}"),),
                "A cache that stays full makes requests wait: raise kv_cache_gib, or replicas.",
            ),
            Panel(
                "Replicas",
                "short",
                (Query("sum by (application, deployment) (ray_serve_deployment_replica_healthy)", "{{application}}"),),
                "Healthy replicas of every deployment; autoscaling shows here.",
            ),
            Panel(
                "Queued requests",
                "short",
                (Query("sum by (deployment) (ray_serve_deployment_queued_queries)", "{{deployment}}"),),
                "Requests that wait in Ray Serve before a replica takes them.",
            ),
        ),
        "Versions": (
            Panel(
                "Requests by version",
                "reqps",
                (rate(GATEWAY_VERSION_REQUESTS, "model, version"),),
                "A canary's share of the conversations shows here.",
            ),
            Panel(
                "Failures by version",
                "reqps",
                (rate(GATEWAY_VERSION_REQUESTS, "model, version", 'code=~"5.."'),),
                "What to look at before a canary gets a larger share.",
            ),
            Panel(
                "Beginning of the answer by version",
                "s",
                (quantile(GATEWAY_VERSION_SECONDS, 0.95, "model, version"),),
                "The first token where answers are streamed.",
            ),
        ),
    },
)

CUSTOMER_SERVICE = Dashboard(
    uid="danlu-customer-service",
    title="danlu / customer service",
    description="What customers ask, how they are answered, and how often a person has to take over.",
    sections={
        "Messages": (
            Panel("Outcomes", "reqps", (rate(CUSTOMER_SERVICE_MESSAGES, "outcome"),), "Messages per second."),
            Panel("Intents", "reqps", (rate(CUSTOMER_SERVICE_MESSAGES, "intent"),), "What the messages were about."),
            Panel("Reply time", "s", _latency(CUSTOMER_SERVICE_SECONDS), "From a message to its reply."),
            Panel(
                "Escalation and not found",
                "percentunit",
                (
                    share_of(CUSTOMER_SERVICE_MESSAGES, 'outcome="handoff"', "handed to a person"),
                    share_of(CUSTOMER_SERVICE_MESSAGES, 'outcome="not_found"', "nothing found"),
                ),
                "Containment alone says nothing about resolution: watch both, and the feedback.",
            ),
        )
    },
)

CODE_GENERATION = Dashboard(
    uid="danlu-code-generation",
    title="danlu / code generation",
    description="Where solutions come from and how many pass their checks.",
    sections={
        "Solutions": (
            Panel("Outcomes", "reqps", (rate(CODE_GENERATION_SOLUTIONS, "outcome"),), "Solutions per second."),
            Panel("Origin", "reqps", (rate(CODE_GENERATION_SOLUTIONS, "origin"),), "Template, model or none."),
            Panel(
                "Passed",
                "percentunit",
                (share_of(CODE_GENERATION_SOLUTIONS, 'outcome="passed"', "passed their checks"),),
                "Share of solutions whose examples passed in the sandbox.",
            ),
            Panel("Time", "s", _latency(CODE_GENERATION_SECONDS), "From a task to its solution."),
        )
    },
)

CLUSTER = Dashboard(
    uid="danlu-cluster",
    title="danlu / cluster, data and training",
    description="The Ray cluster under everything: processors, memory, and the jobs that run.",
    sections={
        "Machines": (
            Panel("CPU", "short", (Query("avg by (instance) (ray_node_cpu_utilization)", "{{instance}}"),), "Percent."),
            Panel(
                "Memory",
                "percentunit",
                (Query("ray_node_mem_used / ray_node_mem_total", "{{instance}}"),),
                "Ray kills workers above 95%.",
            ),
            Panel(
                "Workers killed for memory",
                "short",
                (Query("sum(increase(ray_memory_manager_worker_eviction_total[1h]))", "last hour"),),
                "Any is too many: give the job fewer workers or smaller batches.",
                kind="stat",
            ),
            Panel(
                "Free disk",
                "bytes",
                (Query("min by (instance) (ray_node_disk_free)", "{{instance}}"),),
                "Ray spills and logs to disk; below 5% it stops.",
            ),
        ),
        "Data and training": (
            Panel("Tasks", "short", (Query("sum by (State) (ray_tasks)", "{{State}}"),), "Ray tasks by state."),
            Panel(
                "Rows",
                "rowsps",
                (Query("sum by (dataset) (rate(ray_data_output_rows[1m]))", "{{dataset}}"),),
                "Rows that Ray Data produces per second.",
            ),
            Panel(
                "Object store",
                "bytes",
                (Query("sum by (Location) (ray_object_store_memory)", "{{Location}}"),),
                "Shared memory, and what has been spilled to disk.",
            ),
            Panel(
                "Training blocked on reports",
                "s",
                (
                    Query(
                        "sum by (ray_train_run_name) (ray_train_report_total_blocked_time_s)", "{{ray_train_run_name}}"
                    ),
                ),
                "Seconds that workers waited for checkpoints; it should grow slowly.",
            ),
        ),
        "Training runs": (
            Panel(
                "Loss",
                "short",
                (last(TRAINING_LOSS, "{{run}}"), last(TRAINING_VALIDATION_LOSS, "{{run}}, validation")),
                "Nats per token. Validation that rises while training falls is a network that learns by heart.",
            ),
            Panel("Speed", "cps", (last(TRAINING_TOKENS_PER_SECOND),), "Tokens per second, over all workers."),
            Panel(
                "Gradient norm",
                "short",
                (last(TRAINING_GRADIENT_NORM),),
                "Before clipping. It rises before a loss does.",
            ),
            Panel("Learning rate", "short", (last(TRAINING_LEARNING_RATE),), "Warm-up, then the schedule."),
            Panel("Steps", "short", (last(TRAINING_STEP),), "A line that is flat is a run that stands."),
            Panel(
                "Skipped steps",
                "short",
                (last(TRAINING_SKIPPED),),
                "Left out for a loss that was no number or far above the others; the run's output names the documents.",
            ),
        ),
    },
)

OVERVIEW = Dashboard(
    uid="danlu-overview",
    title="danlu / overview",
    description="One line for each part of the platform.",
    sections={
        "Now": (
            Panel(
                "Requests", "reqps", (Query(f"sum(rate({GATEWAY_REQUESTS.exported}[1m]))", "now"),), "", "stat", 6, 5
            ),
            Panel("Errors", "percentunit", (share_of(GATEWAY_REQUESTS, 'code=~"5.."', "5xx"),), "", "stat", 6, 5),
            Panel("First token", "s", (quantile(GATEWAY_TIME_TO_FIRST_TOKEN, 0.95),), "95th percentile.", "stat", 6, 5),
            Panel("Messages", "reqps", (rate(CUSTOMER_SERVICE_MESSAGES, "outcome"),), "", "stat", 6, 5),
        ),
        "Trends": (
            Panel("Tokens", "cps", (rate(GATEWAY_TOKENS, "model"),), "Tokens per second, by model."),
            Panel("CPU", "short", (Query("avg(ray_node_cpu_utilization)", "all machines"),), "Percent."),
        ),
    },
)

DASHBOARDS: tuple[Dashboard, ...] = (OVERVIEW, GATEWAY, CUSTOMER_SERVICE, CODE_GENERATION, CLUSTER)
