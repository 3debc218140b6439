"""The config of `danlu understand`."""

from __future__ import annotations

import math
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from danlu.config import JobConfig, Settings

SMALL = "small"
Share = Annotated[float, Field(ge=0, le=1)]
Rate = Annotated[float, Field(gt=0, le=1)]
_STEPS, _FEWEST_EPOCHS, _MOST_EPOCHS = 2_000, 8, 40
# A network that begins with random weights takes larger steps than one that already knows a language.
_ENCODER_RATE, _PRETRAINED_ENCODER_RATE = 1e-3, 1e-4


class LearningRates(Settings):
    """The largest learning rate of each part; all rise over the first tenth of the steps and fall to 0."""

    encoder: Rate | None = Field(default=None, description="encoder; default: 0.001 for `small`, 0.0001 for any other")
    heads: Rate = Field(default=1e-3, description="intent and slot heads")
    crf: Rate = Field(default=1e-2, description="the CRF's transitions")


class UnderstandConfig(JobConfig):
    """Train an intent and slot model from annotated utterances."""

    input: str | list[str] = Field(
        description="annotated utterances: .jsonl files ({text, intent, slots}) or folders with seq.in, seq.out, label"
    )
    validation_input: str | list[str] | None = Field(
        default=None, description="utterances to measure by; default: a part of `input`"
    )
    validation_share: float = Field(
        default=0.2, gt=0, lt=1, description="share of each intent's utterances kept for validation"
    )
    encoder: str = Field(
        default=SMALL,
        min_length=1,
        description="`small`: a two-layer BERT with one token per character, trained here from nothing; else the name "
        "or folder of a Hugging Face encoder",
    )
    epochs: int | None = Field(
        default=None,
        ge=1,
        description="passes over the training utterances; default: about 2,000 steps, 8 to 40 epochs",
    )
    patience: int | None = Field(
        default=None, ge=1, description="stop after so many epochs without a better score; null: never"
    )
    batch: int = Field(default=32, ge=1, description="utterances in one step")
    learning_rates: LearningRates = Field(default=LearningRates(), description="learning rates by part")
    value_swap: Share = Field(
        default=0.5, description="how often a slot's value is exchanged for another one in training"
    )
    token_dropout: float = Field(
        default=0.1, ge=0, lt=1, description="share of tokens hidden in training, so that unknown ones do no harm"
    )
    max_characters: int = Field(default=128, ge=8, description="longest utterance, in characters")
    minimum_intent_accuracy: Share = Field(default=0.9, description="the run's check on validation intent accuracy")
    minimum_slot_f1: Share = Field(default=0.85, description="the run's check on validation slot F1")
    seed: int = Field(default=0, ge=0, description="seed of the split, the first weights and the order")
    device: Literal["auto", "cpu", "cuda"] = Field(default="auto", description="auto: CUDA where there is one")
    threads: int | None = Field(default=None, ge=1, description="CPU threads; default: torch's own choice")

    @model_validator(mode="after")
    def _patience_can_run_out(self) -> Self:
        if self.patience is not None and self.epochs is not None and self.patience >= self.epochs:
            raise ValueError(f"patience is {self.patience}, which {self.epochs} epochs never use up: lower it, or null")
        return self

    def resolved(self) -> Self:
        """With the encoder's learning rate filled in. Epochs hang on the data: see `with_epochs`."""
        if self.learning_rates.encoder is not None:
            return self
        rate = _ENCODER_RATE if self.encoder == SMALL else _PRETRAINED_ENCODER_RATE
        rates = self.learning_rates.model_copy(update={"encoder": rate})
        return self.model_copy(update={"learning_rates": rates})

    def with_epochs(self, utterances: int) -> Self:
        """With the number of epochs filled in for so many training utterances."""
        if self.epochs is not None:
            return self
        steps = math.ceil(utterances / self.batch)
        return self.model_copy(update={"epochs": min(max(round(_STEPS / steps), _FEWEST_EPOCHS), _MOST_EPOCHS)})
