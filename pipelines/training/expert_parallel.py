"""The experts of each layer spread over workers: every worker keeps some, and tokens travel to those that they chose.

As in GShard (arXiv 2006.16668, section 3.2), without a limit on the tokens per expert, so that the result is that of
one process. A token travels once to each worker that has one of its experts, is weighted there, and the parts are added
up where it came from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from torch.distributed.nn.functional import all_to_all_single

from pipelines.training.groups import Groups
from pipelines.training.shards import Shard, cut, set_shard, shard_of

if TYPE_CHECKING:
    from torch import Tensor
    from torch.distributed import ProcessGroup
    from torch.nn import Module
    from transformers import PreTrainedModel


def spread_experts(model: PreTrainedModel, groups: Groups) -> None:
    """Leave this worker its experts of every layer. The parameters carry their Shard already; it is replaced."""
    if groups.layout.expert == 1:
        return
    part, parts = dist.get_rank(groups.expert), groups.layout.expert
    for layer in model.model.layers:
        experts = getattr(layer.mlp, "experts", None)
        if experts is None:
            continue
        for parameter in experts.parameters():
            shard = Shard(shard_of(parameter).name, 0, part, parts)
            parameter.data = cut(parameter.data, shard)
            set_shard(parameter, shard)
            _mark_expert(parameter, parts)
        experts.num_experts //= parts
        # Visits of experts that are elsewhere are counted as of an expert that does not exist.
        experts._is_expert_parallel = True
        layer.mlp.experts = SpreadExperts(experts, groups.expert)
    model.add_module("expert_groups", _expert_groups(parts))


class SpreadExperts(torch.nn.Module):
    """In place of a layer's experts: sends tokens to their experts and takes the results back.

    Args:
        experts: this worker's, as transformers has them.
        group: the workers that together have all.
    """

    def __init__(self, experts: Module, group: ProcessGroup) -> None:
        super().__init__()
        self.here: Any = experts
        self._group = group

    def forward(self, hidden_states: Tensor, top_k_index: Tensor, top_k_weights: Tensor) -> Tensor:
        """(tokens, hidden) from tokens, (tokens, k) chosen experts and their weights."""
        workers, count = self._group.size(), self.here.num_experts
        owners = top_k_index // count
        visits = torch.zeros(len(owners), workers, dtype=torch.bool, device=owners.device)
        visits.scatter_(1, owners, True)
        there, tokens = visits.T.nonzero(as_tuple=True)
        theirs = owners[tokens] == there[:, None]
        chosen = torch.where(theirs, top_k_index[tokens] - there[:, None] * count, count)
        weights = torch.where(theirs, top_k_weights[tokens], 0)
        sent, received = self._counts(visits.sum(dim=0))
        rows = self._travel(hidden_states[tokens], sent, received)
        weights = self._travel(weights, sent, received)
        with torch.no_grad():
            chosen = self._travel(chosen, sent, received)
        results = self._travel(self._results(rows, chosen, weights), received, sent)
        return torch.zeros_like(hidden_states).index_add(0, tokens, results.to(hidden_states.dtype))

    def _results(self, rows: Tensor, chosen: Tensor, weights: Tensor) -> Tensor:
        if len(rows):
            return self.here(rows, chosen, weights)
        # Nobody came. The backward pass must still pass here, as the other workers wait for it.
        nothing = sum(parameter.sum() * 0 for parameter in self.here.parameters())
        return rows + nothing + weights.sum() * 0

    def _counts(self, sent: Tensor) -> tuple[list[int], list[int]]:
        """How many rows this worker sends to and gets from each."""
        received = torch.empty_like(sent)
        dist.all_to_all_single(received, sent, group=self._group)
        return sent.tolist(), received.tolist()

    def _travel(self, rows: Tensor, sent: list[int], received: list[int]) -> Tensor:
        """Rows by destination become rows by origin; gradients go the other way."""
        arrived = rows.new_empty((sum(received), *rows.shape[1:]))
        return all_to_all_single(arrived, rows.contiguous(), received, sent, group=self._group)


def _mark_expert(parameter: Any, parts: int) -> None:
    """As DeepSpeed marks the parameters of its own experts: reduced among the workers that have them, not among all."""
    parameter.allreduce = False
    parameter.group_name = _group_name(parts)


def _group_name(parts: int) -> str:
    return f"ep_size_{parts}"


def _expert_groups(parts: int) -> Module:
    """A module without weights in which DeepSpeed sees a mixture of experts, and that forms its groups for it."""
    from deepspeed.moe.layer import MoE
    from deepspeed.utils import groups

    class ExpertGroups(MoE):
        def __init__(self) -> None:
            torch.nn.Module.__init__(self)
            self.num_experts = parts

        def set_deepspeed_parallelism(self, use_data_before_expert_parallel_: bool = False) -> None:
            if _group_name(parts) not in groups._get_expert_parallel_group_dict():
                groups._create_expert_and_data_parallel(parts, mp_size=1, pp_size=1)

    return ExpertGroups()
