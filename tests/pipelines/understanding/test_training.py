from pathlib import Path

import pytest
import torch

from danlu.progress import Progress, Stage
from pipelines.understanding import training
from pipelines.understanding.config import UnderstandConfig
from pipelines.understanding.encoders import new_network
from pipelines.understanding.job import read_parts
from pipelines.understanding.scores import Scores
from pipelines.understanding.training import Epoch, Trainer, rate


class StopAfter(Stage):
    """A stage that interrupts the training once an epoch is finished, as Ctrl-C would."""

    def __init__(self, epochs: int) -> None:
        super().__init__(Progress(), "train", None, "")
        self.left = epochs

    def update(self, count: float | None = None, *, total: float | None = None, note: str | None = None) -> None:
        if note is not None:
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt


def start(config: UnderstandConfig) -> tuple[Trainer, list]:
    parts = read_parts(config)
    return Trainer(config, new_network(config, parts[0]), parts[0]), parts[1]


def quiet() -> Stage:
    return Stage(Progress(), "train", None, "")


def test_a_continued_training_ends_like_one_never_stopped(tiny_config: UnderstandConfig, tmp_path: Path) -> None:
    whole, validation = start(tiny_config)
    whole.run(validation, tmp_path / "whole.pt", quiet())
    broken, _ = start(tiny_config)
    with pytest.raises(KeyboardInterrupt):
        broken.run(validation, tmp_path / "broken.pt", StopAfter(2))
    resumed, _ = start(tiny_config)
    resumed.run(validation, tmp_path / "broken.pt", quiet())
    assert resumed.epochs == whole.epochs and len(resumed.epochs) == tiny_config.epochs
    ours, theirs = resumed.model.network.state_dict(), whole.model.network.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_the_loss_falls_and_the_scores_rise(tiny_config: UnderstandConfig, tmp_path: Path) -> None:
    trainer, validation = start(tiny_config)
    trainer.run(validation, tmp_path / "state.pt", quiet())
    first, last = trainer.epochs[0], trainer.epochs[-1]
    assert last.loss < first.loss / 2 and last.score > first.score


def test_the_network_ends_with_the_best_epoch(
    tiny_config: UnderstandConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer, validation = start(tiny_config)
    weights: list[torch.Tensor] = []

    def worse_every_time(answers: object) -> Scores:
        weights.append(trainer.model.network.crf.transitions.detach().clone())
        return Scores(1.0 / len(weights), 0.0, 0.0)

    monkeypatch.setattr(training, "score", worse_every_time)
    trainer.run(validation, tmp_path / "state.pt", quiet())
    assert trainer.best_epoch == 0 and len(weights) == tiny_config.epochs
    assert torch.equal(trainer.model.network.crf.transitions, weights[0])
    assert not torch.equal(weights[0], weights[-1])


def test_patience_ends_the_training(
    tiny_config: UnderstandConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "score", lambda answers: Scores(0.5, 0.5, 0.5))
    trainer, validation = start(tiny_config.model_copy(update={"patience": 2}))
    trainer.run(validation, tmp_path / "state.pt", quiet())
    assert len(trainer.epochs) == 3 and trainer.best_epoch == 0


def test_every_parameter_has_a_learning_rate(tiny_config: UnderstandConfig) -> None:
    trainer, _ = start(tiny_config)
    counts = [sum(p.numel() for p in group["params"]) for group in trainer.optimizer.param_groups]
    assert sum(counts) == sum(p.numel() for p in trainer.model.network.parameters()) and min(counts) > 0
    assert [group["initial_lr"] for group in trainer.optimizer.param_groups] == [1e-3, 1e-2, 1e-3]


def test_the_learning_rate_rises_and_falls() -> None:
    rates = [rate(step, 100) for step in range(101)]
    assert rates[0] == pytest.approx(0.1) and max(rates) == rates[9] == 1.0 and rates[100] == 0.0
    assert rates[:10] == sorted(rates[:10]) and rates[10:] == sorted(rates[10:], reverse=True)
    assert rate(0, 1) == 1.0


def test_an_epochs_score() -> None:
    assert Epoch(loss=1.0, intent_accuracy=0.8, slot_f1=0.6, sentence_accuracy=0.1).score == pytest.approx(0.7)
