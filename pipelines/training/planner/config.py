"""What `danlu plan` can be told, and a cluster's description, which `danlu train` can be told too."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from actors.networks.build import check_sizes
from actors.networks.sizes import Architecture, Sizes, preset
from danlu.config import Settings
from pipelines.training.planner.cluster import GIB, PRESETS, Card, Cluster
from pipelines.training.planner.search import Limits
from pipelines.training.planner.workload import Workload

_STEP_TOKENS = 2**22  # of a step where nothing is said: the usual size for large networks


class ClusterSettings(Settings):
    """A preset, changed where other values are given; or all of them without a preset. Speeds are nominal."""

    preset: Literal["a100", "h100", "h200", "h20", "910b", "cpu"] | None = Field(
        default=None, description="one node of 8 of these; null = every other key but the price must be given"
    )
    cards: int | None = Field(default=None, ge=1, le=100_000, description="cards in all (CPU: cores)")
    cards_per_node: int | None = Field(default=None, ge=1, description="cards that share the fast links")
    memory_gib: float | None = Field(default=None, gt=0, description="of one card")
    memory_gb_per_s: float | None = Field(default=None, gt=0, description="speed of a card's memory, GB/s")
    bf16_tflops: float | None = Field(default=None, gt=0, description="peak of dense bf16 matrix products, TFLOP/s")
    fp32_tflops: float | None = Field(default=None, gt=0, description="peak in fp32, TFLOP/s")
    intra_gb_per_s: float | None = Field(
        default=None, gt=0, description="what a card can send within its node, GB/s in one direction"
    )
    inter_gb_per_s: float | None = Field(
        default=None, gt=0, description="what a card can send to other nodes, GB/s in one direction"
    )
    price_per_card_hour: float | None = Field(default=None, ge=0, description="in any currency; null = no costs")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        open_keys = {"preset", "price_per_card_hour"}
        missing = [name for name in type(self).model_fields if name not in open_keys and getattr(self, name) is None]
        if self.preset is None and missing:
            raise ValueError(
                f"cluster.preset is null and cluster.{missing[0]} is missing: "
                f"name a preset ({', '.join(PRESETS)}) or give {', '.join(missing)}"
            )
        return self

    def cluster(self) -> Cluster:
        """What is described."""
        base = PRESETS[self.preset or "h100"]  # without a preset only what no key says: how much of the peak is reached
        card = base.card
        described = Card(
            name=card.name if self.preset else "card",
            memory_bytes=_or(self.memory_gib, GIB, card.memory_bytes),
            memory_bytes_per_s=_or(self.memory_gb_per_s, 1e9, card.memory_bytes_per_s),
            bf16_flops=_or(self.bf16_tflops, 1e12, card.bf16_flops),
            fp32_flops=_or(self.fp32_tflops, 1e12, card.fp32_flops),
            matmul_share=card.matmul_share,
            source=card.source if self.preset else "the config",
            note=card.note if self.preset else f"matmul_share is that of the {card.name}",
        )
        return Cluster(
            card=described,
            cards=self.cards or base.cards,
            cards_per_node=self.cards_per_node or base.cards_per_node,
            intra_bytes_per_s=_or(self.intra_gb_per_s, 1e9, base.intra_bytes_per_s),
            inter_bytes_per_s=_or(self.inter_gb_per_s, 1e9, base.inter_bytes_per_s),
            price_per_card_hour=self.price_per_card_hour,
            overlaps=base.overlaps or self.preset is None,
        )


def _or(value: float | None, unit: float, default: float) -> float:
    return default if value is None else value * unit


def preset_of(value: Any) -> Any:
    """`cluster: h100` is short for `cluster: {preset: h100}`."""
    return {"preset": value} if isinstance(value, str) else value


class PlanModel(Settings):
    """The network, by the same keys as in `danlu train`."""

    architecture: Architecture | None = Field(
        default=None, description="dense, moe or sparse; null = what `sizes` are, or dense"
    )
    size: str | None = Field(default=None, description="a preset: tiny, small, 0.6b, ..., 8b")
    sizes: Sizes | None = Field(default=None, description="explicit sizes instead of a preset")
    vocabulary: int = Field(default=151_936, ge=1, description="token embeddings; Qwen3 has 151936")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.size is None) == (self.sizes is None):
            raise ValueError("model needs size (a preset) or sizes (explicit ones), and not both")
        check_sizes(self._kind, self.network())
        return self

    @property
    def _kind(self) -> Architecture:
        return self.architecture or (self.sizes.architecture if self.sizes else "dense")

    def network(self) -> Sizes:
        """The sizes."""
        return self.sizes or preset(self._kind, self.size or "")


class PlanBatch(Settings):
    """One optimizer step's data, over all cards together."""

    sequences: int | None = Field(default=None, ge=1, description="per step; null = about four million tokens")
    length: int | None = Field(default=None, ge=8, description="tokens per sequence; null = 4096, or the context")
    micro: int | None = Field(
        default=None, ge=1, description="sequences per replica and forward pass; null = the best of all"
    )


class PlanConfig(Settings):
    """Say which layouts can train a network on a cluster, and what each costs."""

    schema_of: ClassVar[str] = "plan"
    model: PlanModel = Field(description="the network")
    cluster: ClusterSettings = Field(description="the cards: a preset's name, or its keys")
    tokens: float | None = Field(default=None, gt=0, description="to train on; the table then tells days and cost")
    days: float | None = Field(default=None, gt=0, description="instead of `tokens`: what can be trained in so long")
    batch: PlanBatch = Field(default_factory=PlanBatch, description="data of one step")
    precision: Literal["fp32", "bf16"] = Field(default="bf16", description="bf16 keeps fp32 master weights")
    recompute: bool | None = Field(default=None, description="activations computed twice; null = where it helps")
    zero: int | None = Field(default=None, ge=0, le=3, description="ZeRO stage; null = the best of all")
    min_efficiency: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="show only layouts whose weak-scaling efficiency is known and at least this",
    )

    _preset_of = field_validator("cluster", mode="before")(preset_of)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.tokens is not None and self.days is not None:
            raise ValueError(f"tokens is {self.tokens:g} and days is {self.days:g}: give one of them")
        context = self.model.network().context
        if self.batch.length is not None and self.batch.length > context:
            raise ValueError(f"batch.length is {self.batch.length}: the network's context is {context} tokens")
        return self

    def workload(self) -> Workload:
        """What is to be trained."""
        sizes = self.model.network()
        length = self.batch.length or min(4096, sizes.context)
        cards = self.cluster.cluster().cards
        # A multiple of the cards can be dealt out to any number of replicas.
        derived = cards * max(1, round(_STEP_TOKENS / length / cards))
        return Workload(
            sizes=sizes,
            vocabulary=self.model.vocabulary,
            sequences=self.batch.sequences or derived,
            length=length,
            precision=self.precision,
            tokens=self.tokens,
        )

    def limits(self) -> Limits:
        """What is fixed."""
        recompute = None if self.recompute is None else "full" if self.recompute else "none"
        return Limits(micro=self.batch.micro, recompute=recompute, zero=self.zero)  # type: ignore[arg-type]
