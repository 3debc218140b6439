"""What the driver tells each worker, where both find each other's files, and what a worker answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pipelines.training.config import TrainConfig
from pipelines.training.metrics import METRICS_FILE
from pipelines.training.sources import Kind

Device = Literal["cpu", "cuda"]
Reason = Literal["finished", "interrupted", "not_finite", "spike", "not_saved", "damaged", "out_of_memory"]


@dataclass(frozen=True)
class TrainingPlan:
    """A run, fully decided.

    Attributes:
        config: resolved.
        folder: the run directory, absolute and seen by all workers.
        checkpoint: a folder or Hugging Face name to start at, or None for random weights.
        vocabulary: token embeddings of a new network.
        began: when the run began, in seconds since 1970.
    """

    config: TrainConfig
    kind: Kind
    folder: str
    checkpoint: str | None
    vocabulary: int
    device: Device
    began: float

    @property
    def tokenizer(self) -> Path:
        return Path(self.folder, "tokenizer")

    @property
    def tokens(self) -> Path:
        return Path(self.folder, "tokens")

    @property
    def metrics(self) -> Path:
        return Path(self.folder, METRICS_FILE)

    @property
    def skipped(self) -> Path:
        """The lines of `metrics` that tell of steps which were not learnt from."""
        return Path(self.folder, "_state", "skipped.jsonl")

    @property
    def tensorboard(self) -> Path:
        """Event files, for `tensorboard --logdir`."""
        return Path(self.folder, "tensorboard")

    @property
    def attempts(self) -> Path:
        """One line per start of the workers."""
        return Path(self.folder, "_state", "attempts.jsonl")

    @property
    def checkpoints(self) -> Path:
        """What a restart continues from."""
        return Path(self.folder, "checkpoints")

    @property
    def launcher(self) -> Path:
        """What Ray Train keeps for itself."""
        return Path(self.folder, "_state", "ray_train")

    @property
    def stop_request(self) -> Path:
        """While this file exists, workers save and stop at their next step."""
        return Path(self.folder, "_state", "stop")

    @property
    def shortage(self) -> Path:
        """What a worker said when its memory ran out: trying again would end alike."""
        return Path(self.folder, "_state", "out_of_memory.txt")

    @property
    def probe(self) -> Path:
        """Some tokens and the trained network's logits for them."""
        return Path(self.folder, "_state", "probe.npz")

    @property
    def result(self) -> Path:
        """The finished checkpoint in Hugging Face form."""
        return Path(self.folder, "checkpoint")

    @property
    def adapter(self) -> Path:
        """The adapters alone in peft's form, where they were trained; `result` has them merged in."""
        return Path(self.folder, "adapter")


@dataclass(frozen=True)
class Outcome:
    """How training ended after `step` steps.

    `not_finite` says which number was not, `spike` which loss was too high, `not_saved` why a checkpoint could not be
    written, `damaged` what is wrong with the checkpoints when none can be read, and `out_of_memory` the error's text.
    """

    reason: Reason
    step: int
    detail: str = ""
