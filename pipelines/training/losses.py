"""What training minimises. Both losses are those of the whole batch, however many workers share it."""

from __future__ import annotations

import torch
import torch.distributed as dist
import torch.nn.functional as F

from pipelines.training.batches import IGNORED


def language_model_loss(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Sum (not mean) of the cross entropy, in nats, over the targets that are not IGNORED.

    Args:
        logits: (rows, width, vocabulary), any float type.
        targets: (rows, width) int64.
    """
    return F.cross_entropy(logits.float().flatten(0, 1), targets.flatten(), ignore_index=IGNORED, reduction="sum")


def router_balance_loss(router_logits: tuple[torch.Tensor, ...], real: torch.Tensor, top_k: int) -> torch.Tensor:
    """This worker's part of the load-balancing loss; the sum over workers is the loss of the whole batch.

    The loss of Switch Transformer (arXiv 2101.03961, eq. 4), with the experts' shares counted over all workers, as
    "Demons in the Detail" (arXiv 2501.11873) advises: balance within each worker's few sequences is not wanted, and
    the result does not depend on the number of workers. `top_k` is its value at perfect balance.

    Args:
        router_logits: one (rows * width, experts) per layer.
        real: (rows, width) bool, False on padding.
        top_k: experts that each token visits.
    """
    chosen = torch.cat([logits[real.flatten()] for logits in router_logits]).float()
    probabilities = chosen.softmax(dim=-1)
    experts = chosen.shape[-1]
    visits = torch.zeros(experts + 1, device=chosen.device)
    visits[:experts] = torch.bincount(probabilities.topk(top_k).indices.flatten(), minlength=experts)
    visits[experts] = len(chosen)
    visits = sum_over_workers(visits)
    shares, rows = visits[:experts] / visits[experts], visits[experts]
    return experts * (shares * probabilities.sum(dim=0) / rows).sum()


def sum_over_workers(values: torch.Tensor) -> torch.Tensor:
    """The sum of a tensor over all workers (the tensor itself where there is no process group)."""
    if dist.is_initialized():
        dist.all_reduce(values)
    return values
