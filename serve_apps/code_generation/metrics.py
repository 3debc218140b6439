"""The application's figures, as Ray Serve exports them to Prometheus."""

from __future__ import annotations

from typing import Any

from ray.serve import metrics

from danlu.metrics import CODE_GENERATION_SECONDS, CODE_GENERATION_SOLUTIONS, LATENCY_BUCKETS_S
from serve_apps.code_generation.solution import Solution


class CodeGenerationMetrics:
    """A counter and a histogram; to be made once in a process."""

    def __init__(self) -> None:
        labels: Any = CODE_GENERATION_SOLUTIONS.labels  # Ray's annotation says one label, and means any number
        self._solutions = metrics.Counter(
            CODE_GENERATION_SOLUTIONS.name, description=CODE_GENERATION_SOLUTIONS.help, tag_keys=labels
        )
        self._seconds = metrics.Histogram(
            CODE_GENERATION_SECONDS.name, description=CODE_GENERATION_SECONDS.help, boundaries=LATENCY_BUCKETS_S
        )

    def solved(self, solution: Solution, seconds: float) -> None:
        """A request has been answered."""
        self._solutions.inc(tags={"origin": solution.origin, "outcome": solution.outcome})
        self._seconds.observe(seconds)
