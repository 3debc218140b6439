"""How large a language model is: the numbers behind a preset, and the presets."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from actors.networks.blocks import BlockKind, expand_blocks
from danlu.config import Settings

# A network is called after its rarest kind of block: sparse before moe before dense.
Architecture = Literal["dense", "moe", "sparse"]


class Sizes(Settings):
    """The shape of a Qwen3 network, of a Qwen3-MoE one (`experts`), of a sparse one (`slices`), or of a mix."""

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
    slices: int = Field(default=0, ge=0, description="slices of a layer's feed-forward network (sparse)")
    slices_per_token: int = Field(default=0, ge=0, description="slices that each token visits (sparse)")
    slice_width: int = Field(default=0, ge=0, multiple_of=8, description="neurons of one slice (sparse)")
    shared_width: int = Field(default=0, ge=0, description="neurons of a layer that every token visits (sparse)")
    blocks: str | list[str] | None = Field(
        default=None,
        description="kinds of the layers where they differ, repeated to the last layer: `dense, sparse*3`; "
        "null = all of one kind",
    )

    @property
    def layer_kinds(self) -> tuple[BlockKind, ...]:
        """The kind of each layer's feed-forward block."""
        alone: BlockKind = "sparse" if self.slices else "moe" if self.experts else "dense"
        return expand_blocks([alone] if self.blocks is None else self.blocks, self.layers)

    @property
    def architecture(self) -> Architecture:
        """What a network of these sizes is called."""
        return next(kind for kind in _RAREST_FIRST if kind in self.layer_kinds)

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
        self._check_slices()
        self._check_blocks()
        return self

    def _check_slices(self) -> None:
        if self.slices_per_token > self.slices:
            raise ValueError(
                f"sizes.slices_per_token is {self.slices_per_token}: a layer has only {self.slices} slices"
            )
        if self.slices and not (self.slices_per_token and self.slice_width):
            raise ValueError(
                f"sizes.slices is {self.slices}: sizes.slices_per_token and sizes.slice_width must be given too"
            )
        for key in ("slice_width", "shared_width"):
            if getattr(self, key) and not self.slices:
                raise ValueError(f"sizes.{key} is {getattr(self, key)} and sizes.slices is 0: there is no sparse layer")
        if self.slices and self.hidden % 8:
            raise ValueError(f"sizes.hidden is {self.hidden}: with sparse layers it must be a multiple of 8")

    def _check_blocks(self) -> None:
        kinds = self.layer_kinds
        if self.blocks is None and self.experts and self.slices:
            raise ValueError(
                f"sizes.experts is {self.experts} and sizes.slices is {self.slices}: "
                "sizes.blocks must say which layers are moe and which are sparse"
            )
        experts, slices = (self.experts, self.experts_per_token), (self.slices, self.slices_per_token)
        if self.experts and self.slices and experts != slices:
            raise ValueError(
                f"sizes.experts and experts_per_token are {experts}, sizes.slices and slices_per_token {slices}: "
                "they must be equal, as one loss balances the routers of all layers together"
            )
        for kind, key in (("moe", "experts"), ("sparse", "slices")):
            count = getattr(self, key)
            if kind in kinds and not count:
                raise ValueError(f"sizes.blocks has {kind} layers: sizes.{key} must be given")
            if count and kind not in kinds:
                raise ValueError(f"sizes.{key} is {count}, and no layer in sizes.blocks is {kind}")


_RAREST_FIRST: tuple[Architecture, ...] = ("sparse", "moe", "dense")

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
    # The width, depth and attention of the dense presets; a third of their feed-forward neurons per token.
    "sparse": {
        "tiny": Sizes(
            layers=2,
            hidden=256,
            intermediate=768,
            heads=4,
            kv_heads=2,
            head_dim=64,
            slices=24,
            slices_per_token=3,
            slice_width=64,
            shared_width=64,
        ),
        "small": Sizes(
            layers=12,
            hidden=512,
            intermediate=1536,
            heads=8,
            kv_heads=4,
            head_dim=64,
            context=4096,
            slices=32,
            slices_per_token=4,
            slice_width=96,
            shared_width=128,
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
