"""What a model makes of annotated utterances."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from actors.intent_model.artifact import IntentNetwork
from actors.intent_model.spans import read_spans
from pipelines.understanding.scores import Answer
from pipelines.understanding.utterances import Utterance

_BATCH = 64


@dataclass(frozen=True)
class Predictions:
    """Answers in the order of the utterances, and the logits behind the intents (n, intents)."""

    answers: list[Answer]
    logits: NDArray[np.float64]


def predict(model: IntentNetwork, utterances: Sequence[Utterance]) -> Predictions:
    """Ask the model, on the device where its network is, about at least one utterance."""
    device = next(model.network.parameters()).device
    model.network.eval()
    logits, tags = [], []
    for start in range(0, len(utterances), _BATCH):
        texts = [utterance.text for utterance in utterances[start : start + _BATCH]]
        logits_BI, rows = model.network.predict(model.reader.read(texts).to(device))
        logits.append(logits_BI.double().cpu())
        tags += rows
    names, all_logits = model.settings.tags, torch.cat(logits).numpy()
    best = [model.settings.intents[index] for index in all_logits.argmax(1)]
    answers = [
        Answer(utterance.intent, intent, utterance.spans, tuple(read_spans([names[tag] for tag in row])))
        for utterance, intent, row in zip(utterances, best, tags, strict=True)
    ]
    return Predictions(answers, all_logits)
