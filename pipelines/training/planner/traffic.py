"""Bytes that a step gives to collectives, and which links they cross.

Payloads are those of the trainer (DeepSpeed), compared with counted ones in
`python -m benchmarks training.planner_measured`. What a payload costs on the wire is that of ring algorithms (Patarasu
and Yuan, "Bandwidth optimal all-reduce algorithms", 2009): each card sends 2 (n - 1) / n of an all-reduce, and half of
that of a gather, a scatter or an exchange.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pipelines.training.planner.cluster import Cluster
from pipelines.training.planner.memory import LIVE_ELEMENTS, kept_whole_elements, stage_parameters
from pipelines.training.planner.workload import Choice, Workload, feed_forward, stage_layers

Axis = Literal["data", "expert", "tensor", "pipeline"]
Kind = Literal["all_reduce", "all_gather", "reduce_scatter", "all_to_all", "send"]


@dataclass(frozen=True)
class Flow:
    """One kind of collective of one axis, over a step, as one card sees it.

    Attributes:
        payload_bytes: the whole that is reduced, gathered or exchanged (of a send: what is sent).
        members: cards that take part.
        members_per_node: of those in one node.
        calls: how often, for latencies.
    """

    axis: Axis
    kind: Kind
    payload_bytes: float
    members: int
    members_per_node: int
    calls: float

    @property
    def wire_bytes(self) -> float:
        """What one card sends."""
        if self.kind == "send":
            return self.payload_bytes
        share = (self.members - 1) / self.members
        return self.payload_bytes * share * (2 if self.kind == "all_reduce" else 1)

    @property
    def crosses_nodes(self) -> bool:
        """Whether a part of the group is in another node."""
        return self.members > self.members_per_node


def flows_of(workload: Workload, choice: Choice, cluster: Cluster) -> list[Flow]:
    """All of a step, on a card of the stage with most parameters. Axes of one member have none."""
    flows = [
        *_data_flows(workload, choice, cluster),
        *_tensor_flows(workload, choice, cluster),
        *_expert_flows(workload, choice, cluster),
        *_pipeline_flows(workload, choice, cluster),
    ]
    return [flow for flow in flows if flow.members > 1 and flow.payload_bytes > 0]


def wire_bytes_between_nodes(flows: list[Flow]) -> float:
    """What a card sends in groups that span nodes."""
    return sum(flow.wire_bytes for flow in flows if flow.crosses_nodes)


def wire_bytes_within_nodes(flows: list[Flow]) -> float:
    """What a card sends in groups inside one node."""
    return sum(flow.wire_bytes for flow in flows if not flow.crosses_nodes)


def _within_node(cluster: Cluster, stride: int, members: int) -> int:
    """Members of a group whose ranks are `stride` apart that share a node."""
    return max(1, min(members, cluster.cards_per_node // stride))


def _data_flows(workload: Workload, choice: Choice, cluster: Cluster) -> list[Flow]:
    stages = {0, choice.pipeline - 1}
    dense, experts = max((stage_parameters(workload, choice, stage) for stage in stages), key=sum)
    near = _within_node(cluster, choice.tensor, choice.data)
    flows = _reduced(workload, choice, dense, choice.data, near)
    if experts:
        group = choice.data // choice.expert
        flows += _reduced(workload, choice, experts, group, _within_node(cluster, choice.expert, group))
    return flows


def _reduced(workload: Workload, choice: Choice, parameters: float, members: int, near: int) -> list[Flow]:
    """What ZeRO's stage sends for `parameters`: gradients, and for its shards the weights too."""
    payload, layers = workload.element_bytes * parameters, stage_layers(workload.sizes, choice.pipeline)
    passes = choice.micro_batches(workload)
    if choice.zero == 0:
        return [Flow("data", "all_reduce", payload, members, near, 1)]
    if choice.zero < 3:
        # DeepSpeed reduces whole buckets and keeps its shard. ZeRO-2 does so after every micro-batch, as it keeps no
        # whole gradient to add to.
        often = passes if choice.zero == 2 else 1
        return [
            Flow("data", "all_reduce", often * payload, members, near, often),
            Flow("data", "all_gather", payload, members, near, 1),
        ]
    # Gathered for the forward pass, and again for the backward pass as far as they were given up between.
    # Small parameters are gathered once.
    small = kept_whole_elements(workload, choice)
    gathered = small + passes * (parameters - small + max(0.0, parameters - LIVE_ELEMENTS))
    return [
        Flow("data", "all_gather", workload.element_bytes * gathered, members, near, 2 * passes * layers),
        Flow("data", "reduce_scatter", passes * payload, members, near, passes * layers),
    ]


def _token_bytes(workload: Workload, choice: Choice) -> float:
    """One hidden state per token of a micro-batch."""
    return workload.element_bytes * workload.sizes.hidden * choice.micro * workload.length


def _tensor_flows(workload: Workload, choice: Choice, cluster: Cluster) -> list[Flow]:
    """Two all-reduces per layer, forward and backward (Megatron-LM, arXiv 1909.08053, figure 4). Recomputation does the
    first of the forward ones again: torch's stops before the last, whose result nothing in the layer needs.
    """
    per_layer = 4 + {"none": 0.0, "half": 0.5, "full": 1.0}[choice.recompute]
    calls = per_layer * stage_layers(workload.sizes, choice.pipeline) * choice.micro_batches(workload)
    payload = calls * _token_bytes(workload, choice)
    return [Flow("tensor", "all_reduce", payload, choice.tensor, _within_node(cluster, 1, choice.tensor), calls)]


def _expert_flows(workload: Workload, choice: Choice, cluster: Cluster) -> list[Flow]:
    """Tokens go to their experts and come back, forward and backward."""
    per_layer = 4 + {"none": 0, "half": 1, "full": 2}[choice.recompute]
    calls = per_layer * workload.sizes.layers * choice.micro_batches(workload)
    payload = calls * _token_bytes(workload, choice) * feed_forward(workload.sizes).visits
    return [Flow("expert", "all_to_all", payload, choice.expert, _within_node(cluster, 1, choice.expert), calls)]


def _pipeline_flows(workload: Workload, choice: Choice, cluster: Cluster) -> list[Flow]:
    """Activations to the next stage and their gradients back."""
    calls = 2 * choice.micro_batches(workload) * choice.chunks
    payload = calls * _token_bytes(workload, choice) / choice.end_parts
    near = _within_node(cluster, choice.tensor * choice.data, choice.pipeline)
    return [Flow("pipeline", "send", payload, choice.pipeline, near, calls)]
