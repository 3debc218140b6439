"""Seconds of a step: arithmetic, memory passes, the pipeline's bubble, and communication that nothing hides."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pipelines.training.planner.cluster import Cluster
from pipelines.training.planner.memory import stage_parameters
from pipelines.training.planner.traffic import Flow, flows_of
from pipelines.training.planner.workload import Choice, Workload, feed_forward, stage_layers


@dataclass(frozen=True)
class Constants:
    """What can't be read off a data sheet, the same for all cards. Fitted by `python -m benchmarks training.planner
    --fit` to some of the published runs in `anchors`, all but the last three, and judged by the others.

    Attributes:
        narrow: width of the residual stream (and tokens of a forward pass) at which matrix products take twice as long
            as large ones, in multiples of the card's FLOPs per byte of memory traffic: faster arithmetic wants larger
            matrices.
        fused_passes, plain_passes: how often the elements between matrix products travel to memory and back, with
            compiled and with plain kernels.
        link_share: of a link's nominal speed, what collectives reach.
        hidden_share: of the time of computation, what ZeRO-3's gathers and reductions can hide behind.
        wait_per_doubling: of the time of computation, what is lost by waiting for the slowest, each time that the nodes
            double: 2.7% from 1 to 16 nodes, as torchtitan published.
        near_hop_s, far_hop_s: latency of a step of a ring within a node and between nodes.
    """

    narrow: float = 2.076
    fused_passes: float = 2.877
    plain_passes: float = 6.072
    link_share: float = 0.786
    hidden_share: float = 0.314
    wait_per_doubling: float = 0.007
    near_hop_s: float = 2e-6
    far_hop_s: float = 8e-6


CONSTANTS = Constants()
_OPTIMIZER_BYTES = 30  # per parameter: AdamW reads and writes two moments and the weight, and reads the gradient
_SCORE_PASSES = 7  # written, read and written by mask and softmax, the same by dropout, read; forward


@dataclass(frozen=True)
class StepTime:
    """Seconds of one step.

    Attributes:
        compute: matrix products and passes over memory, recomputation included, of the slowest stage.
        stragglers: waiting for the slowest of many nodes.
        bubble: stages that wait while the pipeline fills and drains.
        tensor, expert, pipeline, data: communication that is not hidden, by axis.
        optimizer: the update.
        mfu: model FLOPs (nothing twice) over the peak of all cards.
    """

    compute: float
    stragglers: float
    bubble: float
    tensor: float
    expert: float
    pipeline: float
    data: float
    optimizer: float
    mfu: float

    @property
    def total(self) -> float:
        """The whole step."""
        return self.compute + self.stragglers + self.bubble + self.communication + self.optimizer

    @property
    def communication(self) -> float:
        """Of all axes."""
        return self.tensor + self.expert + self.pipeline + self.data

    @property
    def bubble_share(self) -> float:
        """Of the step."""
        return self.bubble / self.total


def step_time(workload: Workload, choice: Choice, cluster: Cluster, constants: Constants = CONSTANTS) -> StepTime:
    """How long a step takes on `choice.cards` cards of the cluster."""
    micro_batches = choice.micro_batches(workload)
    flows = flows_of(workload, choice, cluster)
    compute = micro_batches * _micro_batch_seconds(workload, choice, cluster, constants)
    by_axis = {
        axis: sum(flow_seconds(flow, cluster, constants) for flow in flows if flow.axis == axis)
        for axis in ("tensor", "expert", "pipeline", "data")
    }
    data, pipeline = by_axis["data"], by_axis["pipeline"]
    hidden = constants.hidden_share * compute if cluster.overlaps else 0.0
    if choice.overlapped:
        pipeline = max(0.0, pipeline - hidden)
    if choice.zero == 3 or choice.overlapped:
        # DeepSpeed overlaps communication with computation in ZeRO-3 alone.
        data = max(0.0, data - hidden)
    in_turn = compute + by_axis["tensor"] + by_axis["expert"] + pipeline
    bubble = in_turn * (choice.pipeline - 1) / (choice.chunks * micro_batches)
    optimizer = _optimizer_seconds(workload, choice, cluster)
    nodes = -(-choice.cards // cluster.cards_per_node)
    stragglers = compute * constants.wait_per_doubling * math.log2(nodes)
    total = in_turn + stragglers + bubble + data + optimizer
    peak = choice.cards * cluster.card.peak_flops(workload.precision)
    return StepTime(
        compute=compute,
        stragglers=stragglers,
        bubble=bubble,
        tensor=by_axis["tensor"],
        expert=by_axis["expert"],
        pipeline=pipeline,
        data=data,
        optimizer=optimizer,
        mfu=workload.model_flops_per_token * workload.step_tokens / (total * peak),
    )


def flow_seconds(flow: Flow, cluster: Cluster, constants: Constants = CONSTANTS) -> float:
    """Time on the wire if nothing else is sent.

    A ring enters and leaves each node once, so that it has the adapters of all its members there.
    """
    speed = cluster.intra_bytes_per_s
    if flow.crosses_nodes:
        speed = min(speed, flow.members_per_node * cluster.inter_bytes_per_s)
    if flow.kind == "send" and flow.crosses_nodes:
        speed = cluster.inter_bytes_per_s
    nodes = -(-flow.members // flow.members_per_node)
    hops = 1 if flow.kind == "send" else (2 if flow.kind == "all_reduce" else 1)
    latency = hops * ((flow.members_per_node - 1) * constants.near_hop_s + (nodes - 1) * constants.far_hop_s)
    if flow.kind == "send":
        latency = constants.far_hop_s if flow.crosses_nodes else constants.near_hop_s
    return flow.wire_bytes / (speed * constants.link_share) + flow.calls * latency


def _micro_batch_seconds(workload: Workload, choice: Choice, cluster: Cluster, constants: Constants) -> float:
    """Forward and backward of one micro-batch on the slowest stage, which is the last: it has the head too."""
    tokens = choice.micro * workload.length
    layers = stage_layers(workload.sizes, choice.pipeline)
    # Where layers do not divide evenly, the fullest stages need not be the last one.
    even = workload.sizes.layers % choice.pipeline == 0
    forward = layers * _layer_forward_seconds(workload, choice, cluster, constants)
    again = {"none": 0.0, "half": 0.5, "full": 1.0}[choice.recompute]
    head = _head_forward_seconds(workload, choice, cluster, constants)
    slack = 0.0 if even or choice.pipeline == 1 else forward / layers
    return tokens * (3 + again) * max(forward, forward - slack + 3 * head / (3 + again))


def _layer_forward_seconds(workload: Workload, choice: Choice, cluster: Cluster, constants: Constants) -> float:
    """Per token."""
    sizes, card = workload.sizes, cluster.card
    products = workload.layer_forward_flops_per_token / choice.tensor
    passes = constants.fused_passes if choice.fused else constants.plain_passes
    heads = (sizes.heads + sizes.kv_heads) * sizes.head_dim
    wide = feed_forward(sizes).wide
    # Two norms and two sums over the residual; rotations and norms of heads; the gate.
    elements = 6 * sizes.hidden + (2 * heads + 3 * wide) / choice.tensor
    if choice.scores_in_memory:
        elements += _SCORE_PASSES / passes * sizes.heads * workload.length / choice.tensor
    moved = passes * elements * workload.element_bytes
    return products / _matmul_flops(workload, choice, cluster, constants) + moved / card.memory_bytes_per_s


def _matmul_flops(workload: Workload, choice: Choice, cluster: Cluster, constants: Constants) -> float:
    """Per second, as reached: less where the matrices are narrow, or have few rows."""
    card = cluster.card
    peak = card.peak_flops(workload.precision)
    half_way = constants.narrow * peak / card.memory_bytes_per_s
    rows = choice.micro * workload.length
    return peak * card.matmul_share / (1 + half_way / workload.sizes.hidden + half_way / rows)


def _head_forward_seconds(workload: Workload, choice: Choice, cluster: Cluster, constants: Constants) -> float:
    """Per token: the projection, and the loss over the vocabulary in fp32, which is read and written twice."""
    card, parts = cluster.card, choice.end_parts
    products = workload.head_forward_flops_per_token / parts / _matmul_flops(workload, choice, cluster, constants)
    return products + 16 * workload.vocabulary / parts / card.memory_bytes_per_s


def _optimizer_seconds(workload: Workload, choice: Choice, cluster: Cluster) -> float:
    stages = {0, choice.pipeline - 1}
    dense, experts = max((stage_parameters(workload, choice, stage) for stage in stages), key=sum)
    if choice.zero:
        dense, experts = dense / choice.data, experts * choice.expert / choice.data
    return _OPTIMIZER_BYTES * (dense + experts) / cluster.card.memory_bytes_per_s
