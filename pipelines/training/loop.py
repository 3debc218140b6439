"""The training loop of one worker. All workers take the same turns, as each decision is made from summed numbers."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from pipelines.training.batches import Sample, Samples, count_inputs, count_targets
from pipelines.training.checkpoints import Position
from pipelines.training.checkpoints.session import gather_objects
from pipelines.training.executor import Executor
from pipelines.training.losses import router_weight, sum_over_workers
from pipelines.training.metrics import StepMetrics, append_metrics, sync_metrics
from pipelines.training.plan import Outcome, TrainingPlan
from pipelines.training.schedule import learning_rate
from pipelines.training.spikes import SpikeWatch, culprits, shorten
from pipelines.training.watching import Sink


@dataclass(frozen=True)
class StepTotals:
    """One step over all workers: mean loss of the targets, router loss (0 without experts), whether to stop.

    `own_loss` is this worker's part of the loss.
    """

    loss: float
    router_loss: float
    stop: bool
    own_loss: float


@dataclass
class TrainingLoop:
    """One worker's part of training.

    Attributes:
        executor: the network, however it is spread over the workers.
        samples: the training data of every step.
        validation: the validation sequences, the same on every worker.
        save: keeps weights, optimizer and position; called by all workers at the same step.
        failed: whether this worker could not save; asked at every step, and all stop when one could not.
        origin: where a document of the store was read from, for people.
        sinks: where worker 0 sends each step's figures beside metrics.jsonl.
    """

    plan: TrainingPlan
    executor: Executor
    samples: Samples
    validation: list[Sample]
    save: Callable[[Position], None]
    failed: Callable[[], bool] = lambda: False
    origin: Callable[[int], str] = str
    sinks: list[Sink] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.watch = SpikeWatch(self.plan.config.on_spike)

    def run(self, position: Position) -> Outcome:
        """Train from `position` to the last step, or until asked to stop or a number is not finite."""
        config = self.plan.config
        while position.step < config.total_steps:
            began = time.perf_counter()
            samples = self.samples.step(position.step)
            rate = self._set_learning_rate(position.step)
            totals = self._forward_backward(samples)
            action = self.watch.judge(totals.loss)
            norm = skipped = None
            if action == "take":
                norm = self.executor.update()
            else:
                skipped = self._explain(position.step, totals)
                self.executor.discard()
            if action == "stop":
                return Outcome(
                    "spike" if math.isfinite(totals.loss) else "not_finite", position.step + 1, skipped or ""
                )
            if norm is not None and not math.isfinite(norm):
                return Outcome("not_finite", position.step + 1, f"the gradient's norm is {norm}")
            position = Position(position.step + 1, position.tokens + count_inputs(samples))
            speed = count_inputs(samples) / (time.perf_counter() - began)
            due = position.step % config.checkpoint_every == 0 or position.step == config.total_steps
            self._record(position, totals, speed, rate, norm, self.validate() if due else None, skipped)
            if due or totals.stop:
                if self.rank == 0:
                    sync_metrics(self.plan.metrics)
                    sync_metrics(self.plan.skipped)
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
        own = float(sums[0])
        loss, router_loss, stops = sum_over_workers(torch.cat([sums, sums.new_tensor([stop])])).tolist()
        return StepTotals(loss, router_loss, stops > 0, own)

    def _explain(self, step: int, totals: StepTotals) -> str:
        """What is wrong with a step's loss, whose it is, and what that replica read. Every worker takes part."""
        layout = self.executor.groups.layout
        parts = gather_objects((self.executor.groups.at.data, totals.own_loss))
        found = culprits(parts)
        documents = self.samples.documents(step)
        numbers = {number for replica in found for part in documents[replica :: layout.data] for number in part}
        word = "worker" if layout.world == layout.data else "replica"
        whose = shorten([str(replica) for replica in found])
        return (
            f"{self.watch.describe(totals.loss)}; it comes from {word} {whose}, "
            f"which read {shorten([self.origin(number) for number in sorted(numbers)])}"
        )

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
        skipped: str | None,
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
            **({} if skipped else self._gradient_traffic()),
            skipped=skipped,
        )
        append_metrics(self.plan.metrics, row)
        if skipped is not None:
            append_metrics(self.plan.skipped, row)
        for sink in self.sinks:
            sink(row)

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
