"""The blocks of keys of `danlu train`."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from danlu.config import Settings

FINAL_SHARE = 0.1


class BatchSettings(Settings):
    """One optimizer step's data, over all workers together."""

    sequences: int = Field(default=16, ge=1, description="sequences per step, over all workers")
    length: int = Field(default=256, ge=8, description="tokens per packed sequence; longer conversations are cut")
    micro: int | None = Field(
        default=None,
        ge=1,
        description="sequences per replica and forward pass; less needs less memory; null = all at once, or with "
        "a pipeline so many that each stage has four batches",
    )


class ParallelSettings(Settings):
    """How the work is spread: data * pipeline * tensor workers, each with one CPU (and one GPU on cuda)."""

    data: int = Field(default=1, ge=1, description="replicas of the network, which share each batch")
    pipeline: int = Field(default=1, ge=1, description="stages that share the layers; ZeRO 0 or 1")
    tensor: int = Field(default=1, ge=1, description="workers that share each layer; divides heads and widths")
    expert: int = Field(
        default=1, ge=1, description="replicas that share out each layer's experts (moe); divides `data`"
    )
    zero: int = Field(
        default=0, ge=0, le=3, description="ZeRO stage: shard 1 optimizer states, 2 gradients too, 3 parameters too"
    )
    auto: bool = Field(default=False, description="`parallel: auto` lets the planner choose all of these for `cluster`")

    @model_validator(mode="after")
    def _nothing_beside_auto(self) -> Self:
        given = sorted(self.model_fields_set - {"auto"}) if self.auto else []
        if given:
            raise ValueError(f"parallel.auto is true and parallel.{given[0]} is given: the planner chooses it")
        return self


class OptimizerSettings(Settings):
    """AdamW and its schedule."""

    learning_rate: float = Field(
        default=2e-3, gt=0, description="peak; 1e-3..3e-3 for small networks, 1e-5..1e-4 for large"
    )
    schedule: Literal["cosine", "constant"] = Field(default="cosine", description="after the warm-up")
    warmup_steps: int | None = Field(
        default=None, ge=0, description="linear rise to the peak; null = a twentieth of the steps"
    )
    final_share: float = Field(default=FINAL_SHARE, ge=0, le=1, description="cosine ends at this share of the peak")
    weight_decay: float = Field(default=0.01, ge=0, description="on matrices; norms have none")
    gradient_clipping: float = Field(
        default=1.0, ge=0, description="largest norm of a step's gradient; 0 = no clipping"
    )


class TokenizerSettings(Settings):
    """The byte-level BPE that is trained on the input. With `from`, the checkpoint's tokenizer is used."""

    vocabulary: int = Field(default=4096, ge=300, le=1_000_000, description="most tokens that the tokenizer may have")


class LoraSettings(Settings):
    """Adapters of low rank beside the linear layers of `from`, which itself is not changed."""

    rank: int = Field(default=16, ge=1, description="width of the adapters; more can learn more")
    alpha: int | None = Field(default=None, ge=1, description="adapters count alpha / rank; null = twice the rank")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="share of an adapter's inputs dropped in training")
    targets: list[str] | None = Field(
        default=None, min_length=1, description="names of layers; null = those of attention and feed-forward networks"
    )

    @property
    def scaled_alpha(self) -> int:
        """`alpha`, or its default."""
        return 2 * self.rank if self.alpha is None else self.alpha
