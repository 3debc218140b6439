"""Trains an intent network epoch by epoch, keeps the best one, and goes on where a stopped run ended."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from actors.intent_model.artifact import IntentNetwork
from danlu.progress import Stage
from pipelines.understanding.augmentation import collect_values, swap_values
from pipelines.understanding.batches import group, hide_tokens, make_batch
from pipelines.understanding.config import UnderstandConfig
from pipelines.understanding.measuring import predict
from pipelines.understanding.scores import score
from pipelines.understanding.utterances import Utterance

_WARMUP = 0.1
_WEIGHT_DECAY = 0.01
_MAX_GRADIENT_NORM = 1.0


@dataclass(frozen=True)
class Epoch:
    """What one epoch came to; the scores are those of the validation utterances."""

    loss: float
    intent_accuracy: float
    slot_f1: float
    sentence_accuracy: float

    @property
    def score(self) -> float:
        """What the best epoch is chosen by: the mean of intent accuracy and slot F1."""
        return (self.intent_accuracy + self.slot_f1) / 2


class Trainer:
    """The training of one network.

    After every epoch its whole state goes to `state_file`. Random numbers are drawn from the seed and the epoch
    alone, so a continued training ends with the same weights as one that was never stopped.
    """

    def __init__(self, config: UnderstandConfig, model: IntentNetwork, training: Sequence[Utterance]) -> None:
        assert config.epochs is not None, "with_epochs has filled it in"
        self.config = config
        self.last_epoch = config.epochs
        self.model = model
        self.training = training
        self.values = collect_values(training)
        self.optimizer = torch.optim.AdamW(_parameter_groups(config, model.network), weight_decay=_WEIGHT_DECAY)
        steps = self.last_epoch * math.ceil(len(training) / config.batch)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, lambda step: rate(step, steps))
        self.epochs: list[Epoch] = []
        self.best: dict[str, Any] = {}

    def run(self, validation: Sequence[Utterance], state_file: Path, stage: Stage) -> None:
        """Train what is left of the epochs; the network ends with the weights of the best one."""
        if state_file.exists():
            self._restore(torch.load(state_file, map_location="cpu", weights_only=True))
        stage.update(len(self.epochs) * len(self.training))
        while len(self.epochs) < self.last_epoch and not self._out_of_patience():
            loss = self._epoch(stage)
            scores = score(predict(self.model, validation).answers)
            self.epochs.append(Epoch(loss, **asdict(scores)))
            if self.best_epoch == len(self.epochs) - 1:
                self.best = {name: tensor.clone() for name, tensor in self.model.network.state_dict().items()}
            self._save(state_file)
            stage.update(note=f"intent {scores.intent_accuracy:.1%}, slot F1 {scores.slot_f1:.1%}")
        self.model.network.load_state_dict(self.best)

    @property
    def best_epoch(self) -> int:
        """Index of the epoch with the best score, the first of equals."""
        return max(range(len(self.epochs)), key=lambda index: self.epochs[index].score)

    def _out_of_patience(self) -> bool:
        patience = self.config.patience
        return patience is not None and bool(self.epochs) and len(self.epochs) - 1 - self.best_epoch >= patience

    def _epoch(self, stage: Stage) -> float:
        """One pass over the training utterances; returns the mean loss of its steps."""
        key = f"{self.config.seed}/{len(self.epochs)}"
        draw = random.Random(key)
        torch.manual_seed(draw.getrandbits(63))
        self.model.network.train()
        losses = []
        for utterances in group(self.training, self.config.batch, draw):
            varied = [swap_values(utterance, self.values, self.config.value_swap, draw) for utterance in utterances]
            losses.append(self._step(varied))
            stage.advance(len(utterances))
        return sum(losses) / len(losses)

    def _step(self, utterances: Sequence[Utterance]) -> float:
        network = self.model.network
        batch = make_batch(self.model, utterances).to(next(network.parameters()).device)
        characters = hide_tokens(self.model, batch.characters, self.config.token_dropout)
        loss = network.loss(characters, batch.intents, batch.tags)
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), _MAX_GRADIENT_NORM)
        self.optimizer.step()
        self.schedule.step()
        return loss.item()

    def _save(self, file: Path) -> None:
        state = {
            "network": self.model.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "epochs": [asdict(epoch) for epoch in self.epochs],
            "best": self.best,
        }
        part = file.with_suffix(".part")
        torch.save(state, part)
        part.replace(file)

    def _restore(self, state: dict[str, Any]) -> None:
        self.model.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.epochs = [Epoch(**epoch) for epoch in state["epochs"]]
        self.best = state["best"]


def rate(step: int, steps: int) -> float:
    """The share of the largest learning rate at `step`: a linear rise, then a linear fall to 0."""
    warmup = max(1, round(_WARMUP * steps))
    return min((step + 1) / warmup, max(0.0, (steps - step) / max(1, steps - warmup)))


def _parameter_groups(config: UnderstandConfig, network: nn.Module) -> list[dict[str, Any]]:
    rates = config.learning_rates
    groups: dict[str, list[nn.Parameter]] = {"encoder": [], "crf": [], "heads": []}
    for name, parameter in network.named_parameters():
        part = name.split(".")[0]
        groups[part if part in groups else "heads"].append(parameter)
    return [{"params": parameters, "lr": getattr(rates, part)} for part, parameters in groups.items()]
