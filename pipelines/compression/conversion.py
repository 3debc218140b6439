"""Whether a converted model computes what transformers computes from the same checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from actors.engines.tokenizer import ModelTokenizer
from pipelines.compression.network import Network
from pipelines.compression.samples import prompt_ids


@dataclass(frozen=True)
class Conversion:
    """The converted model beside transformers, both in float32, over some prompts.

    Attributes:
        parameters: weights of the model, shared ones counted once.
        logit_error: largest difference of a logit, as a share of the largest logit.
    """

    parameters: int
    logit_error: float


def compare_with_transformers(checkpoint: Path, folder: Path, threads: int) -> Conversion:
    """Run both over the prompts."""
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    network = Network(folder, threads)
    model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32).eval()
    difference, largest = 0.0, 0.0
    for ids in prompt_ids(ModelTokenizer(folder)):
        with torch.inference_mode():
            expected = model(torch.tensor([ids])).logits[0].numpy()
        difference = max(difference, float(np.abs(network.logits(ids) - expected).max()))
        largest = max(largest, float(np.abs(expected).max()))
    parameters = sum(weight.numel() for weight in model.parameters())
    return Conversion(parameters, difference / largest)
