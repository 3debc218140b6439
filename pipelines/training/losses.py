"""What training minimises. Both losses are those of the whole batch, however many workers share it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.distributed as dist
import torch.nn.functional as F

from pipelines.training.batches import IGNORED

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup
    from transformers import PreTrainedConfig


def language_model_loss(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Sum (not mean) of the cross entropy, in nats, over the targets that are not IGNORED.

    Args:
        logits: (rows, width, vocabulary), any float type.
        targets: (rows, width) int64.
    """
    return F.cross_entropy(logits.float().flatten(0, 1), targets.flatten(), ignore_index=IGNORED, reduction="sum")


def router_balance_loss(
    router_logits: tuple[torch.Tensor, ...], real: torch.Tensor, top_k: int, replicas: ProcessGroup | None = None
) -> torch.Tensor:
    """This replica's part of the load-balancing loss; the sum over replicas is the loss of the whole batch.

    The loss of Switch Transformer (arXiv 2101.03961, eq. 4), with the experts' shares counted over all replicas, as
    "Demons in the Detail" (arXiv 2501.11873) advises: balance within each replica's few sequences is not wanted, and
    the result does not depend on the number of replicas. `top_k` is its value at perfect balance.

    Args:
        router_logits: one (rows * width, experts) per layer.
        real: (rows, width) bool, False on padding.
        top_k: experts that each token visits.
        replicas: the workers that share the batch; None = all.
    """
    probabilities, visits = count_visits(router_logits, real, top_k)
    return balance_loss(probabilities, visits, replicas)


def count_visits(
    router_logits: tuple[torch.Tensor, ...], real: torch.Tensor, top_k: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """What `balance_loss` needs of some layers. Both results may be added up over layers.

    Returns:
        (experts,) float32, the summed probability of each expert, which has a gradient; (experts + 1,) int64, how many
        tokens visit each expert, and last how many tokens there were.
    """
    chosen = torch.cat([logits[real.flatten()] for logits in router_logits]).float()
    probabilities = chosen.softmax(dim=-1)
    experts = chosen.shape[-1]
    visits = torch.bincount(probabilities.topk(top_k).indices.flatten(), minlength=experts)
    rows = torch.tensor([len(chosen)], device=visits.device)
    return probabilities.sum(dim=0), torch.cat([visits, rows])


def balance_loss(
    probabilities: torch.Tensor, visits: torch.Tensor, replicas: ProcessGroup | None = None
) -> torch.Tensor:
    """This replica's part of the load-balancing loss, from what `count_visits` says of all layers."""
    counts = sum_over_workers(visits.float(), replicas)
    experts, rows = len(probabilities), counts[-1]
    return experts * (counts[:-1] / rows * probabilities / rows).sum()


def router_weight(config: PreTrainedConfig) -> float:
    """Weight of the router loss beside the cross entropy: 0 for a network without experts."""
    return float(getattr(config, "router_aux_loss_coef", 0.0))


def sum_over_workers(values: torch.Tensor, group: ProcessGroup | None = None) -> torch.Tensor:
    """The sum of a tensor over all workers of a group, or over all (the tensor itself without a process group)."""
    if dist.is_initialized():
        dist.all_reduce(values, group=group)
    return values
