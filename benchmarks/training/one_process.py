"""What every parallel run is compared with: one process that knows of no engine, no shards and no padding."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from transformers import PreTrainedModel

from pipelines.training.batches import IGNORED, Sample, count_targets, open_samples
from pipelines.training.config import TrainConfig
from pipelines.training.network import make_network
from pipelines.training.schedule import learning_rate
from pipelines.training.sources import Kind
from pipelines.training.token_store import TokenStore


@dataclass(frozen=True)
class PlainStep:
    """What metrics.jsonl says of a step: the mean losses, and the gradient's norm before clipping."""

    loss: float
    router_loss: float
    gradient_norm: float


def plain_training(
    config: TrainConfig, kind: Kind, store: Path, vocabulary: int, checkpoint: str | None = None
) -> Iterator[PlainStep]:
    """Each step in fp32, the gradient taken from one sequence after the other."""
    model = make_network(config, checkpoint, vocabulary).train()
    matrices = [p for p in model.parameters() if p.ndim > 1]
    vectors = [p for p in model.parameters() if p.ndim == 1]
    decay = config.optimizer.weight_decay
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": decay}, {"params": vectors, "weight_decay": 0.0}], betas=(0.9, 0.95)
    )
    samples = open_samples(TokenStore(store / "train"), kind, config.batch.sequences, config.batch.length, config.seed)
    at_once = config.micro_sequences * config.parallel.data
    for step in range(config.total_steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, config.total_steps, config.optimizer)
        loss, router_loss = plain_losses(model, samples.step(step), at_once)
        (loss + getattr(model.config, "router_aux_loss_coef", 0.0) * router_loss).backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), config.optimizer.gradient_clipping or math.inf)
        optimizer.step()
        optimizer.zero_grad()
        yield PlainStep(loss.item(), router_loss.item(), norm.item())


def plain_losses(
    model: PreTrainedModel, samples: Sequence[Sample], at_once: int | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean cross entropy of the targets, and the router loss as transformers computes it (0 without experts).

    Args:
        at_once: sequences that all workers together read at a time; experts are balanced over these. None = all.
    """
    from transformers.models.qwen3_moe.modeling_qwen3_moe import load_balancing_loss_func

    experts = getattr(model.config, "num_experts_per_tok", None)
    total, routed = torch.zeros(()), []
    for sample in samples:
        outputs = model(
            input_ids=torch.from_numpy(sample.inputs)[None], **({"output_router_logits": True} if experts else {})
        )
        targets = torch.from_numpy(sample.targets)
        total = total + F.cross_entropy(outputs.logits[0], targets, ignore_index=IGNORED, reduction="sum")
        if experts:
            routed.append(outputs.router_logits)
    mean = total / count_targets(samples)
    if not experts:
        return mean, torch.zeros(())
    size = at_once or len(samples)
    rounds = [routed[first : first + size] for first in range(0, len(routed), size)]
    balances = []
    for one in rounds:
        layers = tuple(torch.cat(layer) for layer in zip(*one, strict=True))
        balances.append(load_balancing_loss_func(layers, model.config.num_experts, experts))
    return mean, torch.stack(balances).mean()
