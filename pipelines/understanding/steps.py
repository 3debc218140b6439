"""The two steps of `danlu understand`: train a model, and measure it as it was saved."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from actors.intent_model.artifact import IntentNetwork, load_network, save_network
from actors.intent_model.model import understand
from danlu.errors import NotAvailableError
from danlu.progress import Progress
from danlu.report import Report
from pipelines.understanding import report
from pipelines.understanding.calibration import fit_temperature, probabilities
from pipelines.understanding.config import UnderstandConfig
from pipelines.understanding.encoders import new_network
from pipelines.understanding.measuring import predict
from pipelines.understanding.training import Epoch, Trainer
from pipelines.understanding.utterances import Utterance

_TIMED = 100


def train(
    config: UnderstandConfig,
    training: Sequence[Utterance],
    validation: Sequence[Utterance],
    folder: Path,
    state_file: Path,
    progress: Progress,
) -> dict[str, Any]:
    """Train, calibrate and save to `folder`, continuing from `state_file`; returns the epochs and the best one.

    Raises:
        NotAvailableError: device is cuda and there is none.
    """
    device = choose_device(config.device)
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    model = new_network(config, training)
    model.network.to(device)
    trainer = Trainer(config, model, training)
    with progress.stage(f"train on {device}", total=trainer.last_epoch * len(training), unit="utterances") as stage:
        trainer.run(validation, state_file, stage)
    model.network.cpu()
    save_network(folder, calibrate(model, validation))
    return {"epochs": [asdict(epoch) for epoch in trainer.epochs], "best_epoch": trainer.best_epoch}


def calibrate(model: IntentNetwork, validation: Sequence[Utterance]) -> IntentNetwork:
    """The same network with the temperature that fits the validation utterances whose intent it knows."""
    known = [utterance for utterance in validation if utterance.intent in model.settings.intents]
    right = np.array([model.settings.intents.index(utterance.intent) for utterance in known])
    temperature = fit_temperature(predict(model, known).logits, right)
    return replace(model, settings=model.settings.model_copy(update={"temperature": temperature}))


def measure(
    config: UnderstandConfig, folder: Path, facts: dict[str, Any], training: int, validation: Sequence[Utterance]
) -> Report:
    """The report on the model in `folder`, with the `facts` that `train` returned."""
    model = load_network(folder)
    predictions = predict(model, validation)
    temperature = model.settings.temperature
    findings = report.Findings(
        training=training,
        intents=model.settings.intents,
        validation=validation,
        answers=predictions.answers,
        confidence=probabilities(predictions.logits, temperature).max(axis=1).tolist(),
        raw_confidence=probabilities(predictions.logits, 1.0).max(axis=1).tolist(),
        temperature=temperature,
        epochs=[Epoch(**epoch) for epoch in facts["epochs"]],
        best_epoch=facts["best_epoch"],
        parameters=sum(parameter.numel() for parameter in model.network.parameters()),
        latency_ms=_latency_ms(model, validation),
    )
    return report.build(config, findings)


def _latency_ms(model: IntentNetwork, utterances: Sequence[Utterance]) -> float:
    """Median milliseconds to understand one utterance alone, over up to a hundred of them."""
    seconds = []
    for utterance in utterances[:_TIMED]:
        began = time.perf_counter()
        understand(model, [utterance.text], alternatives=3)
        seconds.append(time.perf_counter() - began)
    return 1000 * median(seconds)


def choose_device(name: str) -> str:
    """`cpu` or `cuda`; NotAvailableError when CUDA is asked for and not there."""
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise NotAvailableError("device is 'cuda'", rule="torch finds no CUDA device here", fix="set device=auto")
    return ("cuda" if available else "cpu") if name == "auto" else name
