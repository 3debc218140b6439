"""How large a language model is: the numbers behind a preset, and the presets."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from danlu.config import Settings

Architecture = Literal["dense", "moe"]


class Sizes(Settings):
    """The shape of a Qwen3 (`experts` 0) or Qwen3-MoE network."""

    layers: int = Field(ge=1, description="decoder layers")
    hidden: int = Field(ge=8, description="width of the residual stream")
    intermediate: int = Field(ge=8, description="width of a dense feed-forward layer")
    heads: int = Field(ge=1, description="query heads")
    kv_heads: int = Field(ge=1, description="key/value heads; divides `heads`")
    head_dim: int = Field(ge=2, description="width of one head; even, as rotary positions turn pairs")
    context: int = Field(default=2048, ge=16, description="longest sequence in tokens")
    tied_embeddings: bool = Field(default=True, description="input and output embeddings share one matrix")
    experts: int = Field(default=0, ge=0, description="experts per layer (moe)")
    experts_per_token: int = Field(default=0, ge=0, description="experts that each token visits (moe)")
    expert_intermediate: int = Field(default=0, ge=0, description="width of one expert (moe)")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.heads % self.kv_heads:
            raise ValueError(f"sizes.heads is {self.heads}: it must be a multiple of sizes.kv_heads ({self.kv_heads})")
        if self.head_dim % 2:
            raise ValueError(f"sizes.head_dim is {self.head_dim}: it must be even")
        if self.experts_per_token > self.experts:
            raise ValueError(
                f"sizes.experts_per_token is {self.experts_per_token}: a layer has only {self.experts} experts"
            )
        if self.experts and not (self.experts_per_token and self.expert_intermediate):
            raise ValueError(
                f"sizes.experts is {self.experts}: "
                "sizes.experts_per_token and sizes.expert_intermediate must be given too"
            )
        return self


# `tiny` trains in a minute on two cores. The sizes with a number in their name are those that Qwen3 was published in.
PRESETS: dict[Architecture, dict[str, Sizes]] = {
    "dense": {
        "tiny": Sizes(layers=2, hidden=256, intermediate=768, heads=4, kv_heads=2, head_dim=64),
        "small": Sizes(layers=12, hidden=512, intermediate=1536, heads=8, kv_heads=4, head_dim=64, context=4096),
        "0.6b": Sizes(layers=28, hidden=1024, intermediate=3072, heads=16, kv_heads=8, head_dim=128, context=32768),
        "1.7b": Sizes(layers=28, hidden=2048, intermediate=6144, heads=16, kv_heads=8, head_dim=128, context=32768),
        "4b": Sizes(layers=36, hidden=2560, intermediate=9728, heads=32, kv_heads=8, head_dim=128, context=32768),
        "8b": Sizes(
            layers=36,
            hidden=4096,
            intermediate=12288,
            heads=32,
            kv_heads=8,
            head_dim=128,
            context=32768,
            tied_embeddings=False,
        ),
    },
    "moe": {
        "tiny": Sizes(
            layers=2,
            hidden=256,
            intermediate=768,
            heads=4,
            kv_heads=2,
            head_dim=64,
            experts=8,
            experts_per_token=2,
            expert_intermediate=256,
        ),
        "small": Sizes(
            layers=12,
            hidden=512,
            intermediate=1536,
            heads=8,
            kv_heads=4,
            head_dim=64,
            context=4096,
            experts=16,
            experts_per_token=4,
            expert_intermediate=384,
        ),
        "30b-a3b": Sizes(
            layers=48,
            hidden=2048,
            intermediate=6144,
            heads=32,
            kv_heads=4,
            head_dim=128,
            context=32768,
            tied_embeddings=False,
            experts=128,
            experts_per_token=8,
            expert_intermediate=768,
        ),
    },
}


def preset(architecture: Architecture, name: str) -> Sizes:
    """The sizes of a preset.

    Raises:
        ValueError: the architecture has no preset of this name.
    """
    presets = PRESETS[architecture]
    if name not in presets:
        raise ValueError(f"size is {name!r}: {architecture} has {', '.join(presets)}; or give explicit `sizes`")
    return presets[name]
