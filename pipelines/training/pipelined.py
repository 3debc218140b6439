"""Training with the layers in stages on different workers: DeepSpeed's pipeline, with replicas and tensor parts."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.distributed as dist

from pipelines.training.batches import Batch, Sample, count_targets, fill_up, share
from pipelines.training.compression.start import start_reduction
from pipelines.training.config import TrainConfig
from pipelines.training.engine import (
    deepspeed_config,
    discard_gradients,
    enable_recompute,
    make_optimizer,
    prepare_deepspeed,
    set_learning_rate,
)
from pipelines.training.gathering import gather_weights
from pipelines.training.groups import Groups
from pipelines.training.layout import Coordinates
from pipelines.training.losses import balance_loss, language_model_loss, router_weight
from pipelines.training.norms import clip_gradients, gradient_norm
from pipelines.training.plan import Device
from pipelines.training.precision import exact_positions
from pipelines.training.shards import Shard, sharded_parameters
from pipelines.training.stages import Routed, Source, stage_modules

if TYPE_CHECKING:
    from deepspeed.pipe import PipelineModule
    from transformers import PreTrainedModel

    from pipelines.training.pipeline_engine import StagedEngine


class PipelinedExecutor:
    """An `Executor` whose workers each hold the layers of one stage; batches follow each other through them."""

    def __init__(self, config: TrainConfig, model: PreTrainedModel, groups: Groups, device: Device) -> None:
        self.groups = groups
        self.config = model.config
        self.generation_config = model.generation_config
        self._micro = config.micro_sequences
        self._clipping = config.optimizer.gradient_clipping
        self._zero = config.parallel.zero
        self._router_weight = router_weight(model.config)
        self._losses = _StepLosses(self._router_weight, groups)
        self.engine: StagedEngine = _start_engine(config, model, groups, self._losses, device)
        tied = [weight for weight, _ in self.engine.module.get_tied_weights_and_groups()]
        self.reduction = start_reduction(config, self.engine, groups, tied)

    @property
    def device(self) -> torch.device:
        return self.engine.device

    def forward_backward(self, samples: list[Sample]) -> torch.Tensor:
        batches = self._share(samples)
        self._losses.begin(count_targets(samples), len(batches), self.device)
        self.engine.forward_backward(self._feed(batches))
        return self._losses.sums * self.groups.counts

    def update(self) -> float | None:
        norm: Any = None
        if self.reduction is not None:
            norm = self.reduction.reduce().norm
        elif self._zero == 0:
            norm = gradient_norm(self.engine.module.parameters(), self.groups)
            clip_gradients(self.engine.module.parameters(), norm, self._clipping)
        self.engine.update()
        if norm is None:
            norm = self.engine.get_global_grad_norm()
        return None if norm is None else float(norm)

    def discard(self) -> None:
        discard_gradients(self.engine)

    def evaluate(self, samples: list[Sample]) -> torch.Tensor:
        batches = self._share(fill_up(samples, self.groups.layout.data * self._micro))
        self._losses.begin(1, len(batches), self.device)
        self.engine.forward_only(self._feed(batches), len(batches))
        return self._losses.sums[:1] * self.groups.counts

    def set_learning_rate(self, rate: float) -> None:
        set_learning_rate(self.engine, rate)

    def logits(self, tokens: np.ndarray) -> np.ndarray | None:
        """Every replica computes them; the first one's last stage sends them to the first worker."""
        self._losses.begin(1, 1, self.device)
        sample = Sample(tokens, tokens)
        self.engine.forward_only(self._feed([next(share([sample], 0, 1, 1))]), 1)
        layout, rank = self.groups.layout, self.groups.rank
        holder = layout.rank(Coordinates(pipeline=layout.pipeline - 1, data=0, tensor=0))
        if rank == holder:
            assert self._losses.logits is not None  # this is the last stage
            dist.send(self._losses.logits.float().contiguous(), 0)
        if rank != 0:
            return None
        found = torch.empty(1, len(tokens), self.config.vocab_size, device=self.device)
        dist.recv(found, holder)
        return found.cpu().numpy()

    def parameters(self) -> Iterable[tuple[Shard, torch.nn.Parameter]]:
        return sharded_parameters(self.engine.module)

    def whole_weights(self) -> dict[str, torch.Tensor]:
        return gather_weights(self.parameters(), self.device)

    def _share(self, samples: list[Sample]) -> list[Batch]:
        return list(share(samples, self.groups.at.data, self.groups.layout.data, self._micro))

    def _feed(self, batches: Iterable[Batch]) -> Iterator[tuple[Any, torch.Tensor]]:
        """What the first stage reads and what the last stage compares with."""
        for batch in batches:
            ids, targets = torch.from_numpy(batch.inputs), torch.from_numpy(batch.targets)
            if self._router_weight:
                yield (ids, torch.from_numpy(batch.real.astype(np.uint8))), targets
            else:
                yield ids, targets


class _StepLosses:
    """The losses of the batches that pass the last stage, as they come by."""

    def __init__(self, weight: float, groups: Groups) -> None:
        self._weight = weight
        self._groups = groups
        self.logits: torch.Tensor | None = None  # of the latest batch that was not for training

    def begin(self, targets: int, batches: int, device: torch.device) -> None:
        """A new step with so many targets over all replicas, in so many batches per replica."""
        self._targets, self._batches = targets, batches
        self.sums = torch.zeros(2, dtype=torch.float64, device=device)
        self.logits = None

    def __call__(self, outputs: torch.Tensor | Routed, targets: torch.Tensor) -> torch.Tensor:
        """What the last stage minimises. DeepSpeed divides by replicas and by batches, which is undone here."""
        logits = outputs[0] if isinstance(outputs, tuple) else outputs
        loss = language_model_loss(logits, targets)
        self.sums[0] += loss.detach() / self._targets
        if not torch.is_grad_enabled():
            self.logits = logits
            return loss
        replicas = self._groups.layout.data
        scaled = loss * (replicas * self._batches / self._targets)
        if isinstance(outputs, tuple):
            router_loss = balance_loss(outputs[1], outputs[2], self._groups.data)
            self.sums[1] += router_loss.detach() / self._batches
            scaled = scaled + router_loss * (self._weight * replicas)
        return scaled


def _start_engine(
    config: TrainConfig, model: PreTrainedModel, groups: Groups, losses: _StepLosses, device: Device
) -> StagedEngine:
    from pipelines.training.pipeline_engine import make_staged_engine

    prepare_deepspeed()
    if config.recompute:
        enable_recompute(model)
    module = _make_pipeline(model, groups, losses)
    count = sum(parameter.numel() for parameter in module.parameters())
    optimizer = make_optimizer(config, module, device)
    with exact_positions(module):
        engine = make_staged_engine(module, optimizer, deepspeed_config(config, count))
    if config.gradient_compression.is_on:
        engine.pipeline_enable_backward_allreduce = False
    return engine


def _make_pipeline(model: PreTrainedModel, groups: Groups, losses: _StepLosses) -> PipelineModule:
    import deepspeed
    from deepspeed.pipe import PipelineModule
    from deepspeed.runtime.pipe.topology import PipeModelDataParallelTopology

    deepspeed.init_distributed(dist_init_required=False)
    layout = groups.layout
    source = Source(model)
    with contextlib.redirect_stdout(io.StringIO()):  # DeepSpeed prints the stages
        module = PipelineModule(
            stage_modules(source),
            topology=PipeModelDataParallelTopology(layout.pipeline, layout.tensor, layout.data),
            loss_fn=losses,
            partition_method="type:Layer",  # as many decoder layers for each stage
            dynamic_shape=True,  # conversations differ in length
        )
    source.release()
    return module
