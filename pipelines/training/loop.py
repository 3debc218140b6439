"""The training loop of one worker. All workers take the same turns, as each decision is made from summed numbers."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from pipelines.training.batches import (
    IGNORED,
    Batch,
    Sample,
    Samples,
    count_inputs,
    count_targets,
    share,
)
from pipelines.training.checkpoints import Position
from pipelines.training.losses import language_model_loss, router_balance_loss, sum_over_workers
from pipelines.training.metrics import StepMetrics, append_metrics
from pipelines.training.plan import Outcome, TrainingPlan
from pipelines.training.schedule import learning_rate

if TYPE_CHECKING:
    from deepspeed import DeepSpeedEngine


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
        samples: the training data of every step.
        validation: the validation sequences, the same on every worker.
        save: keeps weights, optimizer and position; called by all workers at the same step.
    """

    plan: TrainingPlan
    engine: DeepSpeedEngine
    samples: Samples
    validation: list[Sample]
    save: Callable[[Position], None]
    rank: int
    workers: int

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
            norm = self._update()
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
        self.engine.eval()
        total = torch.zeros(1, dtype=torch.float64, device=self.engine.device)
        with torch.no_grad():
            for batch in share(self._even(self.validation), self.rank, self.workers, self.plan.config.micro_sequences):
                total += self._losses(batch)[0]
        self.engine.train()
        return sum_over_workers(total).item() / count_targets(self.validation)

    def _forward_backward(self, samples: list[Sample]) -> StepTotals:
        """Gradients of the step's mean loss; DeepSpeed divides by workers and by batches, which is undone here."""
        batches = list(share(samples, self.rank, self.workers, self.plan.config.micro_sequences))
        targets = count_targets(samples)
        weight = self._router_weight
        sums = torch.zeros(3, dtype=torch.float64, device=self.engine.device)
        for number, batch in enumerate(batches, start=1):
            loss, router_loss = self._losses(batch)
            scaled = loss * (self.workers * len(batches) / targets) + router_loss * (weight * self.workers)
            self.engine.backward(scaled)
            sums[0] += loss.detach() / targets
            sums[1] += router_loss.detach() / len(batches)
            if number < len(batches):
                self.engine.step()  # counts the batch; weights change only after the last
        sums[2] = float(self.rank == 0 and self.plan.stop_request.exists())
        loss_sum, router_sum, stop = sum_over_workers(sums).tolist()
        return StepTotals(loss_sum, router_sum, stop > 0)

    def _losses(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Summed cross entropy of the batch, and this worker's part of the router loss."""
        device = self.engine.device
        experts = {"output_router_logits": True} if self._router_weight else {}
        outputs = self.engine(
            input_ids=torch.from_numpy(batch.inputs).to(device),
            use_cache=False,
            logits_to_keep=batch.inputs.shape[1] - batch.first_target,
            **experts,
        )
        targets = torch.from_numpy(batch.targets[:, batch.first_target :]).to(device)
        loss = language_model_loss(outputs.logits, targets)
        if not experts or not self.engine.training:
            return loss, torch.zeros((), device=device)
        real = torch.from_numpy(batch.real).to(device)
        top_k = self.engine.module.config.num_experts_per_tok
        return loss, router_balance_loss(outputs.router_logits, real, top_k)

    def _update(self) -> float | None:
        """Step the optimizer; the norm of the gradient before clipping."""
        norm = None
        if self.plan.config.parallel.zero == 0:  # the stages keep the norm, plain data parallelism does not
            gradients = [p.grad for p in self.engine.module.parameters() if p.grad is not None]
            norm = torch.nn.utils.get_total_norm(gradients) if gradients else None
        self.engine.step()
        if norm is None:
            norm = self.engine.get_global_grad_norm()
        return None if norm is None else float(norm)

    def _set_learning_rate(self, step: int) -> float:
        config = self.plan.config
        rate = learning_rate(step, config.total_steps, config.optimizer)
        for group in self.engine.optimizer.param_groups:
            group["lr"] = rate
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
            router_loss=totals.router_loss if self._router_weight else None,
            validation_loss=validation_loss,
        )
        append_metrics(self.plan.metrics, row)

    def _even(self, samples: list[Sample]) -> list[Sample]:
        """With ZeRO-3 every worker must run as many batches: fill up with sequences that have nothing to learn."""
        filler = Sample(samples[0].inputs[:1], np.full(1, IGNORED))
        return samples + [filler] * (-len(samples) % (self.workers * self.plan.config.micro_sequences))

    @property
    def _router_weight(self) -> float:
        """Weight of the router loss: 0 for a network without experts."""
        return float(getattr(self.engine.module.config, "router_aux_loss_coef", 0.0))
