"""What is to be trained, and one way of doing it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, fields
from typing import Literal

from actors.networks.blocks import BlockKind
from actors.networks.parameters import count_block, count_parameters
from actors.networks.sizes import Sizes

Precision = Literal["fp32", "bf16"]
# What is computed a second time in the backward pass: nothing; half of each layer (every second layer, or every second
# matrix product: published runs do so, `danlu train` does not); or every layer.
Recompute = Literal["none", "half", "full"]


@dataclass(frozen=True)
class Workload:
    """A network and the data of one step.

    Attributes:
        sequences: per step, over all replicas, of `length` tokens each.
        tokens: of the whole training, or None.
    """

    sizes: Sizes
    vocabulary: int
    sequences: int
    length: int
    precision: Precision = "bf16"
    tokens: float | None = None

    @property
    def step_tokens(self) -> int:
        """Tokens of one step."""
        return self.sequences * self.length

    @property
    def element_bytes(self) -> int:
        """Of a weight, a gradient or an activation as the network computes with it."""
        return 4 if self.precision == "fp32" else 2

    @property
    def parameters(self) -> int:
        """All of them."""
        return count_parameters(self.sizes, self.vocabulary).total

    @property
    def model_flops_per_token(self) -> float:
        """Forward and backward, nothing twice: 6 per weight of a matrix that a token meets, and attention over the
        whole sequence (PaLM, arXiv 2204.02311, appendix B). The input embedding is looked up, not multiplied.
        """
        return 3 * (self.sizes.layers * self.layer_forward_flops_per_token + self.head_forward_flops_per_token)

    @property
    def layer_forward_flops_per_token(self) -> float:
        """Of one decoder layer."""
        return 2 * (attention_parameters(self.sizes) + feed_forward(self.sizes).active) + self.attention_flops_per_token

    @property
    def attention_flops_per_token(self) -> float:
        """Scores and weighted sums of one layer, forward."""
        return 4 * self.length * self.sizes.heads * self.sizes.head_dim

    @property
    def head_forward_flops_per_token(self) -> float:
        """Of the projection to the vocabulary."""
        return 2 * self.vocabulary * self.sizes.hidden


@dataclass(frozen=True)
class Choice:
    """How to spread a workload.

    Attributes:
        micro: sequences per replica and forward pass.
        chunks: pieces of layers per pipeline stage; more than one is the interleaved schedule.
        split_ends: embedding, head and what a stage sends to the next are split over tensor-parallel ranks too.
        fused: norms, gates and rotations are compiled into few passes over memory.
        scores_in_memory: attention writes its scores to memory, as before FlashAttention.
        overlapped: communication of the data and the pipeline axis runs beside computation, whatever the ZeRO stage.

    The last five are what published runs have and `danlu train` has not.
    """

    data: int = 1
    pipeline: int = 1
    tensor: int = 1
    expert: int = 1
    zero: int = 0
    micro: int = 1
    recompute: Recompute = "none"
    chunks: int = 1
    split_ends: bool = False
    fused: bool = False
    scores_in_memory: bool = False
    overlapped: bool = False

    @property
    def end_parts(self) -> int:
        """Into how many parts embedding, head and sends are cut."""
        return self.tensor if self.split_ends else 1

    @property
    def cards(self) -> int:
        """Experts are spread within the data axis, so they add none."""
        return self.data * self.pipeline * self.tensor

    def micro_batches(self, workload: Workload) -> int:
        """Forward passes per replica and step."""
        return workload.sequences // (self.data * self.micro)


def attention_parameters(sizes: Sizes) -> int:
    """The four projections of one layer."""
    return 2 * sizes.hidden * sizes.head_dim * (sizes.heads + sizes.kv_heads)


@dataclass(frozen=True)
class FeedForward:
    """The feed-forward block of a layer, averaged over the kinds of blocks in a network that mixes them.

    Attributes:
        whole: weights that every tensor-parallel rank holds whole (routers).
        cut: weights that tensor parallelism cuts.
        experts: weights that expert parallelism spreads too.
        active: weights that one token meets.
        wide: neurons that one token meets.
        visits: experts or slices that one token visits, each of which gets a copy of it.
        choices: how many a router chooses from.
    """

    whole: float
    cut: float
    experts: float
    active: float
    wide: float
    visits: float
    choices: float


def feed_forward(sizes: Sizes) -> FeedForward:
    """See FeedForward."""
    kinds = Counter(sizes.layer_kinds)
    blocks = [(_block(sizes, kind), count / sizes.layers) for kind, count in kinds.items()]
    names = [field.name for field in fields(FeedForward)]
    return FeedForward(**{name: sum(getattr(block, name) * share for block, share in blocks) for name in names})


def _block(sizes: Sizes, kind: BlockKind) -> FeedForward:
    counted, neuron = count_block(sizes, kind), 3 * sizes.hidden
    if kind == "dense":
        return FeedForward(0, counted.total, 0, counted.active, sizes.intermediate, 0, 0)
    if kind == "moe":
        visits, choices = sizes.experts_per_token, sizes.experts
        experts = neuron * choices * sizes.expert_intermediate
        wide = visits * sizes.expert_intermediate
        return FeedForward(choices * sizes.hidden, 0, experts, counted.active, wide, visits, choices)
    visits, choices = sizes.slices_per_token, sizes.slices
    whole, wide = choices * sizes.hidden, sizes.shared_width + visits * sizes.slice_width
    return FeedForward(whole, counted.total - whole, 0, counted.active, wide, visits, choices)


def norm_parameters(sizes: Sizes) -> int:
    """The norms of one layer."""
    return 2 * sizes.hidden + 2 * sizes.head_dim


def stage_layers(sizes: Sizes, pipeline: int) -> int:
    """Layers of the fullest stage."""
    return -(-sizes.layers // pipeline)
