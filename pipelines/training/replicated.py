"""Training with the whole depth of the network on every worker: data parallelism with ZeRO."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from pipelines.training.batches import Batch, Sample, count_targets, fill_up, share
from pipelines.training.compression.start import start_reduction
from pipelines.training.config import TrainConfig
from pipelines.training.engine import discard_gradients, set_learning_rate, start_engine
from pipelines.training.gathering import gather_weights
from pipelines.training.groups import Groups
from pipelines.training.losses import language_model_loss, router_balance_loss, router_weight
from pipelines.training.norms import clip_gradients, gradient_norm
from pipelines.training.plan import Device
from pipelines.training.shards import Shard, sharded_parameters

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class ReplicatedExecutor:
    """An `Executor` whose workers each run the network from its first layer to its last."""

    def __init__(self, config: TrainConfig, model: PreTrainedModel, groups: Groups, device: Device) -> None:
        self.groups = groups
        self.config = model.config
        self.generation_config = model.generation_config
        self._micro = config.micro_sequences
        self._clipping = config.optimizer.gradient_clipping
        self._zero = config.parallel.zero
        self._router_weight = router_weight(model.config)
        self.engine = start_engine(config, model, groups, device)
        self.reduction = start_reduction(config, self.engine, groups)

    @property
    def device(self) -> torch.device:
        return self.engine.device

    def forward_backward(self, samples: list[Sample]) -> torch.Tensor:
        """DeepSpeed divides by replicas and by batches, which is undone here."""
        at, replicas = self.groups.at, self.groups.layout.data
        batches = list(share(samples, at.data, replicas, self._micro))
        targets = count_targets(samples)
        sums = torch.zeros(2, dtype=torch.float64, device=self.device)
        for number, batch in enumerate(batches, start=1):
            loss, router_loss = self._losses(batch)
            scaled = loss * (replicas * len(batches) / targets) + router_loss * (self._router_weight * replicas)
            self.engine.backward(scaled)
            sums[0] += loss.detach() / targets
            sums[1] += router_loss.detach() / len(batches)
            if number < len(batches):
                self.engine.step()  # counts the batch; weights change only after the last
        return sums * self.groups.counts

    def update(self) -> float | None:
        norm: Any = None
        if self.reduction is not None:
            norm = self.reduction.reduce().norm
        elif self._zero == 0:
            norm = gradient_norm(self.engine.module.parameters(), self.groups)
            clip_gradients(self.engine.module.parameters(), norm, self._clipping)
        self.engine.step()
        if norm is None:
            norm = self.engine.get_global_grad_norm()
        return None if norm is None else float(norm)

    def discard(self) -> None:
        discard_gradients(self.engine)

    def evaluate(self, samples: list[Sample]) -> torch.Tensor:
        at, replicas = self.groups.at, self.groups.layout.data
        samples = fill_up(samples, replicas * self._micro)  # with ZeRO-3 every worker must run as many batches
        self.engine.eval()
        total = torch.zeros(1, dtype=torch.float64, device=self.device)
        with torch.no_grad():
            for batch in share(samples, at.data, replicas, self._micro):
                total += self._losses(batch)[0]
        self.engine.train()
        return total * self.groups.counts

    def set_learning_rate(self, rate: float) -> None:
        set_learning_rate(self.engine, rate)

    def logits(self, tokens: np.ndarray) -> np.ndarray | None:
        self.engine.eval()
        with torch.no_grad():
            outputs = self.engine(input_ids=torch.from_numpy(tokens)[None].to(self.device), use_cache=False)
        self.engine.train()
        return outputs.logits.float().cpu().numpy() if self.groups.rank == 0 else None

    def parameters(self) -> Iterable[tuple[Shard, torch.nn.Parameter]]:
        return sharded_parameters(self.engine.module)

    def whole_weights(self) -> dict[str, torch.Tensor]:
        return gather_weights(self.parameters(), self.device)

    def _losses(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Summed cross entropy of the batch, and this replica's part of the router loss."""
        experts = {"output_router_logits": True} if self._router_weight else {}
        outputs = self.engine(
            input_ids=torch.from_numpy(batch.inputs).to(self.device),
            use_cache=False,
            logits_to_keep=batch.inputs.shape[1] - batch.first_target,
            **experts,
        )
        targets = torch.from_numpy(batch.targets[:, batch.first_target :]).to(self.device)
        loss = language_model_loss(outputs.logits, targets)
        if not experts or not self.engine.training:
            return loss, torch.zeros((), device=self.device)
        real = torch.from_numpy(batch.real).to(self.device)
        top_k = self.config.num_experts_per_tok
        return loss, router_balance_loss(outputs.router_logits, real, top_k, self.groups.data)
