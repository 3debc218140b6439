"""Where each step's figures go beside metrics.jsonl: TensorBoard's files and Prometheus' gauges, from worker 0."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from danlu.metrics import (
    TRAINING_GRADIENT_NORM,
    TRAINING_LEARNING_RATE,
    TRAINING_LOSS,
    TRAINING_SKIPPED,
    TRAINING_STEP,
    TRAINING_TOKENS_PER_SECOND,
    TRAINING_VALIDATION_LOSS,
    Metric,
)
from pipelines.training.metrics import StepMetrics, read_metrics

if TYPE_CHECKING:
    from pipelines.training.plan import TrainingPlan

Sink = Callable[[StepMetrics], None]


def open_sinks(plan: TrainingPlan, step: int) -> list[Sink]:
    """All of this run's sinks. `step` is where training goes on; later figures of an earlier start do not count."""
    sinks: list[Sink] = [Gauges(Path(plan.folder).name, len(read_metrics(plan.skipped)))]
    if plan.config.tensorboard:
        sinks.append(TensorBoard(plan.tensorboard, step))
    return sinks


class TensorBoard:
    """Event files. tensorboardX writes them from a thread of its own, within seconds."""

    def __init__(self, folder: Path, step: int) -> None:
        from tensorboardX import SummaryWriter

        # TensorBoard forgets what an earlier file said of this step and later ones.
        self._writer = SummaryWriter(str(folder), purge_step=step + 1, flush_secs=10)

    def __call__(self, row: StepMetrics) -> None:
        values = {
            "loss/training": row.loss,
            "loss/validation": row.validation_loss,
            "loss/router": row.router_loss,
            "gradient norm": row.gradient_norm,
            "learning rate": row.learning_rate,
            "tokens per second": row.tokens_per_s,
            "tokens": row.tokens,
        }
        for name, value in values.items():
            if value is not None:
                self._writer.add_scalar(name, value, row.step)

    def close(self) -> None:
        self._writer.close()


class Gauges:
    """The last step's figures on the page that Ray offers to Prometheus.

    Args:
        run: the label that tells runs apart.
        skips: steps that earlier starts have left out.
    """

    def __init__(self, run: str, skips: int = 0) -> None:
        from ray.util.metrics import Gauge

        def gauge(metric: Metric) -> Any:
            return Gauge(metric.name, description=metric.help, tag_keys=metric.labels)

        self._tags = {"run": run}
        self._gauges: dict[str, Any] = {
            "loss": gauge(TRAINING_LOSS),
            "validation_loss": gauge(TRAINING_VALIDATION_LOSS),
            "step": gauge(TRAINING_STEP),
            "tokens_per_s": gauge(TRAINING_TOKENS_PER_SECOND),
            "gradient_norm": gauge(TRAINING_GRADIENT_NORM),
            "learning_rate": gauge(TRAINING_LEARNING_RATE),
        }
        self._skipped = gauge(TRAINING_SKIPPED)
        self._skips = skips

    def __call__(self, row: StepMetrics) -> None:
        for name, gauge in self._gauges.items():
            if (value := getattr(row, name)) is not None:
                gauge.set(float(value), tags=self._tags)
        self._skips += row.skipped is not None
        self._skipped.set(float(self._skips), tags=self._tags)


def close_sinks(sinks: list[Sink]) -> None:
    """Write what is still waiting."""
    for sink in sinks:
        if isinstance(sink, TensorBoard):
            sink.close()
