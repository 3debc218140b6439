"""What `gradient_compression` can be told, and what it goes together with."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from danlu.config import Settings

if TYPE_CHECKING:
    from pipelines.training.config import TrainConfig

# 1-bit Adam took 15 to 20% (arXiv 2102.02888, section 7.1).
_WARMUP_SHARE = 0.15
# A hundredth of uncompressed traffic, and the memory of the moments that it renews them from (`SECOND_DECAY`).
_REFRESH_EVERY = 100


class CompressionSettings(Settings):
    """How gradients are sent between replicas. `gradient_compression: onebit` is short for `{kind: onebit}`."""

    kind: Literal["none", "onebit"] = Field(
        default="none", description="onebit: signs with error feedback, a 32nd of the bytes; three more floats a weight"
    )
    warmup_steps: int | None = Field(
        default=None, ge=1, description="steps with whole gradients at first; null = 15% of the steps"
    )
    refresh_every: int = Field(
        default=_REFRESH_EVERY,
        ge=1,
        description="steps between whole messages about the gradients' squares (AdamW's 2nd moment)",
    )

    @model_validator(mode="after")
    def _of_use(self) -> Self:
        if self.kind == "none" and (self.warmup_steps, self.refresh_every) != (None, _REFRESH_EVERY):
            raise ValueError("gradient_compression.kind is 'none': the other keys are for kind=onebit")
        return self

    @property
    def is_on(self) -> bool:
        return self.kind != "none"


def _from_word(value: Any) -> Any:
    return {"kind": value} if isinstance(value, str) else value


Compression = Annotated[
    CompressionSettings,
    BeforeValidator(_from_word, json_schema_input_type=Literal["none", "onebit"] | CompressionSettings),
]


def resolved_compression(settings: CompressionSettings, steps: int, rate_warmup_steps: int) -> CompressionSettings:
    """The settings with the warm-up of a run of `steps`; not before the learning rate's own warm-up is over."""
    if not settings.is_on or settings.warmup_steps is not None:
        return settings
    warmup = max(math.ceil(_WARMUP_SHARE * steps), rate_warmup_steps)
    return settings.model_copy(update={"warmup_steps": warmup})


def check_compression(config: TrainConfig) -> None:
    """Raise ValueError where bits can't take the place of whole gradients."""
    settings, parallel = config.gradient_compression, config.parallel
    if not settings.is_on:
        return
    asked = f"gradient_compression is {settings.kind!r}"
    if parallel.data == 1:
        raise ValueError(f"{asked} and parallel.data is 1: one replica sends no gradients; leave the key out")
    if parallel.zero != 0:
        raise ValueError(
            f"{asked} and parallel.zero is {parallel.zero}: every replica takes AdamW's whole step from the signs, and "
            "ZeRO leaves it a part of the moments; parallel.zero must be 0"
        )
    if config.precision != "fp32":
        raise ValueError(f"{asked} and precision is {config.precision}: bf16 needs ZeRO, which excludes compression")
    if parallel.expert != 1:
        raise ValueError(
            f"{asked} and parallel.expert is {parallel.expert}: replicas hold different experts, so there is no common "
            "gradient of them to send; parallel.expert must be 1"
        )
    steps, rate_warmup = config.total_steps, config.rate_warmup_steps
    warmup = resolved_compression(settings, steps, rate_warmup).warmup_steps
    if warmup is not None and warmup >= steps:
        derived = f", as optimizer.warmup_steps is {rate_warmup}" if settings.warmup_steps is None else ""
        raise ValueError(
            f"gradient_compression.warmup_steps is {warmup}{derived}: the run has {steps} steps, so nothing would be "
            "compressed; more steps, a shorter warm-up, or leave gradient_compression out"
        )
