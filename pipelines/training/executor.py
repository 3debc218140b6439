"""What the training loop needs of a network that is spread over workers, however it is spread."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

from pipelines.training.batches import Sample
from pipelines.training.shards import Shard

if TYPE_CHECKING:
    import numpy as np
    import torch
    from deepspeed import DeepSpeedEngine
    from transformers import GenerationConfig, PreTrainedConfig

    from pipelines.training.compression.reduction import OneBitReduction
    from pipelines.training.groups import Groups


class Executor(Protocol):
    """A network in training. Every method is called by all workers in the same order, with the same arguments.

    Attributes:
        groups: where this worker stands.
        engine: DeepSpeed's engine, which holds the weights and the optimizer.
        reduction: takes the place of the engine's all-reduce of gradients; None where that is used.
        config, generation_config: of the whole network in Hugging Face form.
    """

    groups: Groups
    engine: DeepSpeedEngine
    reduction: OneBitReduction | None
    config: PreTrainedConfig
    generation_config: GenerationConfig

    @property
    def device(self) -> torch.device: ...

    def forward_backward(self, samples: list[Sample]) -> torch.Tensor:
        """Gradients of a step's mean loss; weights stay as they are.

        Returns:
            (2,) float64, this worker's part of the mean cross entropy of the targets, and of the router loss (0
            without experts). Their sum over all workers is the step's.
        """
        ...

    def update(self) -> float | None:
        """Step the optimizer with these gradients; returns their norm before clipping (None where unknown)."""
        ...

    def discard(self) -> None:
        """Forget these gradients: the weights and the optimizer stay as they are."""
        ...

    def evaluate(self, samples: list[Sample]) -> torch.Tensor:
        """(1,) float64, this worker's part of the summed cross entropy of all targets."""
        ...

    def set_learning_rate(self, rate: float) -> None:
        """From the next update on."""
        ...

    def logits(self, tokens: np.ndarray) -> np.ndarray | None:
        """(1, tokens, vocabulary) float32 on the first worker, None on the others."""
        ...

    def parameters(self) -> Iterable[tuple[Shard, torch.nn.Parameter]]:
        """This worker's parameters and what of the whole network they are."""
        ...

    def whole_weights(self) -> dict[str, torch.Tensor]:
        """The weights of the whole network by their Hugging Face names, on the CPU of the first worker; else empty."""
        ...
