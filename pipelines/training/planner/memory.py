"""Bytes on the fullest card: weights, gradients, optimizer, activations, logits, buffers.

Written after what the trainer really holds (Hugging Face layers under DeepSpeed), and compared with it byte by byte in
`python -m benchmarks training.planner_measured`. The general accounts are those of ZeRO (arXiv 1910.02054, section 3)
and of "Reducing Activation Recomputation" (arXiv 2205.05198, section 4).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pipelines.training.planner.cluster import GIB, Cluster
from pipelines.training.planner.workload import (
    Choice,
    Workload,
    attention_parameters,
    feed_forward,
    norm_parameters,
    stage_layers,
)

BUCKET_ELEMENTS = 500_000_000  # of DeepSpeed's reductions, at most: its own default
_LEAST_BUCKET_ELEMENTS = 1 << 18
LIVE_ELEMENTS = 1_000_000_000  # what ZeRO-3 keeps gathered at once, at most: DeepSpeed's default
_LEAST_LIVE_ELEMENTS = 1 << 20
_KEPT_WHOLE_ELEMENTS = 100_000  # parameters below this are never sharded by ZeRO-3, DeepSpeed's default
# What a card has less than its nominal memory: the CUDA context, nccl's buffers, and what the allocator can't use.
_TAKEN_BYTES = 2 * GIB
_USABLE_SHARE = 0.95


@dataclass(frozen=True)
class Memory:
    """Bytes on one card at the moment when it holds most.

    Attributes:
        weights: as the network computes with them, gathered ones included.
        gradients: held at that moment.
        optimizer: AdamW's two moments, and fp32 master weights where ZeRO keeps them.
        activations: kept for the backward pass, of all micro-batches in flight.
        logits: those of the last stage, their loss and its gradient.
        buffers: of collectives and of the optimizer's step.
    """

    weights: float
    gradients: float
    optimizer: float
    activations: float
    logits: float
    buffers: float

    @property
    def total(self) -> float:
        """All of them."""
        return self.weights + self.gradients + self.optimizer + self.activations + self.logits + self.buffers


def usable_bytes(cluster: Cluster) -> float:
    """What training may take of a card."""
    card = cluster.card
    taken = 0 if card.name == "CPU core" else _TAKEN_BYTES
    return max(0.0, card.memory_bytes - taken) * _USABLE_SHARE


def memory_of(workload: Workload, choice: Choice) -> Memory:
    """Memory of the fullest card: the first stage holds most activations, the last one the logits."""
    stages = {0, choice.pipeline - 1}
    moments = (moment for stage in stages for moment in _moments(workload, choice, stage))
    return max(moments, key=lambda memory: memory.total)


def stage_parameters(workload: Workload, choice: Choice, stage: int) -> tuple[float, float]:
    """(dense parameters, parameters of experts) of one card of a stage, before ZeRO shards them.

    Embeddings and the norms are whole on every tensor-parallel rank.
    """
    sizes = workload.sizes
    layers = stage_layers(sizes, choice.pipeline)
    attention = attention_parameters(sizes) / choice.tensor
    block = feed_forward(sizes)
    feed = block.whole + block.cut / choice.tensor
    experts = block.experts / (choice.tensor * choice.expert)
    embedding = workload.vocabulary * sizes.hidden / choice.end_parts
    first, last = stage == 0, stage == choice.pipeline - 1
    # One matrix at both ends is one only where both ends are on one card.
    tables = 1 if first and last and sizes.tied_embeddings else first + last
    dense = layers * (attention + feed + norm_parameters(sizes)) + tables * embedding + last * sizes.hidden
    return dense, layers * experts


def layer_activation_bytes(workload: Workload, choice: Choice) -> float:
    """Kept by one layer for its backward pass, per micro-batch."""
    sizes, tensor = workload.sizes, choice.tensor
    queries, keys = sizes.heads * sizes.head_dim / tensor, sizes.kv_heads * sizes.head_dim / tensor
    # In elements of 4 bytes: each norm keeps its input, the normalised input and its output; queries and keys are kept
    # before and after their norm and after their rotation; then values, attention's output and the four of the gate.
    # In bf16 the inputs of norms are kept as fp32 copies.
    if workload.precision == "fp32":
        whole, split, wide = 24, 16, 16
    else:
        whole, split, wide = 16, 10, 8
    per_token = whole * sizes.hidden + split * (queries + keys)
    per_token += _feed_forward_bytes(workload, tensor, wide)
    return per_token * choice.micro * workload.length


def _feed_forward_bytes(workload: Workload, tensor: int, wide: int) -> float:
    block = feed_forward(workload.sizes)
    # Tokens are copied once per expert or slice that they visit, in and out.
    copies = 2 * workload.element_bytes * workload.sizes.hidden * block.visits
    return wide * block.wide / tensor + copies + 8 * block.choices


def logits_bytes(workload: Workload, choice: Choice) -> float:
    """Log-probabilities, the gradient of the loss and that of the logits, all in fp32."""
    return 12 * workload.vocabulary * choice.micro * workload.length / choice.end_parts


def in_flight(choice: Choice, micro_batches: int, stage: int) -> int:
    """Micro-batches whose activations a stage keeps (one forward, one backward: PipeDream-Flush, arXiv 2006.09503)."""
    if choice.pipeline == 1:
        return 1
    return max(2, min(micro_batches, choice.pipeline - stage))


def _moments(workload: Workload, choice: Choice, stage: int) -> Iterator[Memory]:
    """When the loss has been computed; when gradients are reduced; and when weights are updated."""
    sizes, micro_batches = workload.sizes, choice.micro_batches(workload)
    states = _States.of(workload, choice, stage)
    layers, flying = stage_layers(sizes, choice.pipeline), in_flight(choice, micro_batches, stage)
    whole_layer = layer_activation_bytes(workload, choice)
    layer_input = workload.element_bytes * sizes.hidden * choice.micro * workload.length
    kept = {"none": whole_layer, "half": whole_layer / 2, "full": layer_input}[choice.recompute]
    again = 0.0 if choice.recompute == "none" else whole_layer
    norm = (12 if workload.precision == "fp32" else 8) * sizes.hidden * choice.micro * workload.length
    last = stage == choice.pipeline - 1
    resident = states.gathered
    accumulated = states.gradients if micro_batches > 1 or choice.pipeline > 1 else 0.0
    if last:
        yield Memory(
            weights=resident,
            gradients=accumulated,
            optimizer=states.optimizer,
            activations=flying * layers * kept + norm,
            logits=logits_bytes(workload, choice),
            buffers=states.standing_buffers,
        )
    # ZeRO-3 reduces while half of the activations are still there, the others when all gradients are.
    left = layers / 2 if choice.zero == 3 else 1
    yield Memory(
        weights=resident,
        gradients=states.gradients,
        optimizer=states.optimizer,
        activations=((flying - 1) * layers + left) * kept + again,
        logits=0.0,
        buffers=states.standing_buffers + states.reduction_buffers,
    )
    yield Memory(
        weights=states.weights,
        gradients=states.gradients,
        optimizer=states.optimizer,
        activations=0.0,
        logits=0.0,
        buffers=states.standing_buffers + states.step_buffers,
    )


@dataclass(frozen=True)
class _States:
    """Bytes of one card that do not depend on the batch.

    Attributes:
        weights: resident; `gathered`: with those that ZeRO-3 has fetched from others.
        standing_buffers: always there; reduction_buffers: while gradients are reduced; step_buffers: while weights are
            updated.
    """

    weights: float
    gathered: float
    gradients: float
    optimizer: float
    standing_buffers: float
    reduction_buffers: float
    step_buffers: float

    @classmethod
    def of(cls, workload: Workload, choice: Choice, stage: int) -> _States:
        dense, experts = stage_parameters(workload, choice, stage)
        whole = dense + experts
        part = dense / choice.data + experts * choice.expert / choice.data
        element = workload.element_bytes
        bucket = element * bucket_elements(whole)
        if choice.zero == 0:
            return cls(element * whole, element * whole, element * whole, 8 * whole, 0.0, bucket, bucket)
        optimizer = 12 * part
        step = 4 * part if workload.precision == "bf16" else 0.0
        # Where gradients are added up over micro-batches, the bucket stays between them, but for ZeRO-2.
        stays = bucket if choice.micro_batches(workload) > 1 else 0.0
        if choice.zero == 1:
            return cls(element * whole, element * whole, element * whole, optimizer, stays, bucket - stays, step)
        if choice.zero == 2:
            # Half of the bucket's gradients still lie beside it.
            return cls(element * whole, element * whole, element * part, optimizer, 0.0, 1.5 * bucket, step)
        kept_whole = kept_whole_elements(workload, choice)
        resident = element * (part + kept_whole)
        gathered = resident + element * min(live_elements(whole), whole - kept_whole)
        # The partition of the gradients lasts; reduction copies the bucket.
        standing = bucket + stays + element * part
        return cls(resident, gathered, 0.0, optimizer, standing, 1.5 * bucket - stays, step)


def bucket_elements(parameters: float) -> int:
    """The size of DeepSpeed's buckets for a worker's parameters.

    A bucket is allocated whole: as large as a small network's gradients, it would undo what sharding saves.
    """
    return min(BUCKET_ELEMENTS, max(int(parameters) // 16, _LEAST_BUCKET_ELEMENTS))


def live_elements(parameters: float) -> int:
    """How many elements ZeRO-3 may keep gathered; a small network would otherwise be whole on every worker."""
    return min(LIVE_ELEMENTS, max(int(parameters) // 8, _LEAST_LIVE_ELEMENTS))


def kept_whole_elements(workload: Workload, choice: Choice) -> float:
    """Elements of parameters that are too small for ZeRO-3 to shard."""
    sizes, tensor = workload.sizes, choice.tensor
    block = feed_forward(sizes)
    heads = [sizes.heads, sizes.heads, sizes.kv_heads, sizes.kv_heads]
    matrices = [sizes.hidden * count * sizes.head_dim / tensor for count in heads]
    # Three matrices of a dense block; those of experts and slices are large, their routers small.
    matrices += [block.whole] if block.visits else [block.cut / tensor / 3] * 3
    small = sum(matrix for matrix in matrices if matrix < _KEPT_WHOLE_ELEMENTS)
    return float(stage_layers(sizes, choice.pipeline) * (small + norm_parameters(sizes)) + sizes.hidden)
