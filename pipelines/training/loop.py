"""The training loop of one worker. All workers take the same turns, as each decision is made from summed numbers."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from pipelines.training.batches import Sample, Samples, count_inputs, count_targets
from pipelines.training.checkpoints import Position
from pipelines.training.executor import Executor
from pipelines.training.losses import router_weight, sum_over_workers
from pipelines.training.metrics import StepMetrics, append_metrics
from pipelines.training.plan import Outcome, TrainingPlan
from pipelines.training.schedule import learning_rate


@dataclass(frozen=True)
class StepTotals:
    """One step over all workers: mean loss of the targets, router loss (0 without experts), whether to stop."""

    loss: float
    router_loss: float
    stop: bool


@dataclass
class TrainingLoop:
    """One worker's part of training.

    Attributes:
        executor: the network, however it is spread over the workers.
        samples: the training data of every step.
        validation: the validation sequences, the same on every worker.
        save: keeps weights, optimizer and position; called by all workers at the same step.
        failed: whether this worker could not save; asked at every step, and all stop when one could not.
    """

    plan: TrainingPlan
    executor: Executor
    samples: Samples
    validation: list[Sample]
    save: Callable[[Position], None]
    failed: Callable[[], bool] = lambda: False

    def run(self, position: Position) -> Outcome:
        """Train from `position` to the last step, or until asked to stop or a number is not finite."""
        config = self.plan.config
        while position.step < config.total_steps:
            began = time.perf_counter()
            samples = self.samples.step(position.step)
            rate = self._set_learning_rate(position.step)
            totals = self._forward_backward(samples)
            if not math.isfinite(totals.loss):
                return Outcome("not_finite", position.step + 1, f"the loss is {totals.loss}")
            norm = self.executor.update()
            if norm is not None and not math.isfinite(norm):
                return Outcome("not_finite", position.step + 1, f"the gradient's norm is {norm}")
            position = Position(position.step + 1, position.tokens + count_inputs(samples))
            speed = count_inputs(samples) / (time.perf_counter() - began)
            due = position.step % config.checkpoint_every == 0 or position.step == config.total_steps
            self._record(position, totals, speed, rate, norm, self.validate() if due else None)
            if due or totals.stop:
                self.save(position)
            if totals.stop:
                return Outcome("interrupted", position.step)
        return Outcome("finished", position.step)

    def validate(self) -> float | None:
        """Mean loss of the validation targets; None where nothing is held out."""
        if not self.validation:
            return None
        return sum_over_workers(self.executor.evaluate(self.validation)).item() / count_targets(self.validation)

    def _forward_backward(self, samples: list[Sample]) -> StepTotals:
        stop = float(self.failed() or (self.rank == 0 and self.plan.stop_request.exists()))
        sums = self.executor.forward_backward(samples)
        loss, router_loss, stops = sum_over_workers(torch.cat([sums, sums.new_tensor([stop])])).tolist()
        return StepTotals(loss, router_loss, stops > 0)

    def _set_learning_rate(self, step: int) -> float:
        config = self.plan.config
        rate = learning_rate(step, config.total_steps, config.optimizer)
        self.executor.set_learning_rate(rate)
        return rate

    def _record(
        self,
        position: Position,
        totals: StepTotals,
        tokens_per_s: float,
        rate: float,
        norm: float | None,
        validation_loss: float | None,
    ) -> None:
        if self.rank != 0:
            return
        row = StepMetrics(
            step=position.step,
            loss=totals.loss,
            tokens=position.tokens,
            tokens_per_s=tokens_per_s,
            learning_rate=rate,
            gradient_norm=norm,
            router_loss=totals.router_loss if router_weight(self.executor.config) else None,
            validation_loss=validation_loss,
            **self._gradient_traffic(),
        )
        append_metrics(self.plan.metrics, row)

    def _gradient_traffic(self) -> dict[str, int]:
        if self.executor.reduction is None or (last := self.executor.reduction.last) is None:
            return {}
        return {
            "gradient_bytes": last.sent.total,
            "gradient_payload_bytes": last.sent.payload,
            "gradient_whole_bytes": last.whole_bytes,
        }

    @property
    def rank(self) -> int:
        return self.executor.groups.rank
