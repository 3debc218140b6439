"""What `danlu compress` can be told."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from actors.engines.settings import GROUP_SIZE
from danlu.config import JobConfig

Weights = Literal["int8", "int4", "fp16", "fp32"]
# Per kind of weights: how much perplexity may rise, and which share of next tokens must stay the same.
_LIMITS: dict[Weights, tuple[float, float]] = {
    "int8": (0.02, 0.95),
    "int4": (0.10, 0.80),
    "fp16": (0.005, 0.98),
    "fp32": (0.001, 0.99),
}


class CompressConfig(JobConfig):
    """A checkpoint's weights made smaller for the CPU engine, with size, quality and speed before and after."""

    input: str = Field(description="a checkpoint: the output of `danlu train`, or a Hugging Face folder", min_length=1)
    weights: Weights = Field(
        "int8",
        description="how weights are stored: int8 (one scale per row), int4 (one scale per group of weights; the "
        "embeddings are int8), fp16, or fp32",
    )
    group_size: int | None = Field(
        None, ge=8, le=1024, description=f"int4: weights that share a scale; {GROUP_SIZE} unless given"
    )
    calibration_input: str | list[str] | None = Field(
        None, description="int4: texts (jsonl or parquet) by which scales are fitted; without it, by the weights alone"
    )
    calibration_samples: int = Field(64, ge=1, description="int4: texts taken from calibration_input")
    quality_input: str | list[str] | None = Field(
        None,
        description="texts that the model was not trained on (jsonl or parquet with `text` or `messages`): perplexity "
        "before and after; without it, how often both choose the same next token in answers of the original",
    )
    text_field: str = Field("text", description="the column of quality_input and calibration_input that holds the text")
    quality_tokens: int = Field(4096, ge=16, description="tokens of quality_input that are measured")
    max_perplexity_rise: float | None = Field(
        None, ge=0, description="check: share by which perplexity may rise; int8 0.02, int4 0.10 unless given"
    )
    min_agreement: float | None = Field(
        None, ge=0, le=1, description="check without quality_input: share of equal next tokens; int8 0.95, int4 0.80"
    )
    speed_rounds: int = Field(3, ge=0, le=100, description="rounds of the speed measurement; 0 leaves it out")
    threads: int = Field(0, ge=0, description="CPU threads; 0 takes every core")

    @model_validator(mode="after")
    def _only_int4_has_groups(self) -> Self:
        for key in ("group_size", "calibration_input"):
            value = getattr(self, key)
            if value is not None and self.weights != "int4":
                raise ValueError(f"{key} is {value!r} and weights is {self.weights!r}: {key} is for weights=int4")
        return self

    def resolved(self) -> Self:
        """With the limits and the group size that follow from `weights`."""
        rise, agreement = _LIMITS[self.weights]
        derived = {
            "max_perplexity_rise": rise if self.max_perplexity_rise is None else self.max_perplexity_rise,
            "min_agreement": agreement if self.min_agreement is None else self.min_agreement,
            "group_size": self.group_size or (GROUP_SIZE if self.weights == "int4" else None),
        }
        return self.model_copy(update=derived)
