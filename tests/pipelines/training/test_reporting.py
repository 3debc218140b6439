"""What the report of a training says of its losses, its layout and its restarts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from danlu.config import validate
from pipelines.training.attempts import Attempt, append_attempt
from pipelines.training.config import TrainConfig
from pipelines.training.metrics import StepMetrics
from pipelines.training.plan import TrainingPlan
from pipelines.training.reporting import layout_table, loss_check, restarts_table

SIZES = {"layers": 4, "hidden": 32, "intermediate": 64, "heads": 4, "kv_heads": 2, "head_dim": 8, "context": 128}


def plan(folder: Path, **settings: Any) -> TrainingPlan:
    values = {
        "input": "unused",
        "output": str(folder),
        "sizes": SIZES,
        "steps": 10,
        "batch": {"length": 64},
        **settings,
    }
    config = validate(TrainConfig, values).resolved()
    (folder / "_state").mkdir(exist_ok=True)
    return TrainingPlan(config, "text", str(folder), None, 400, "cpu", began=0.0)


def steps(losses: list[float]) -> list[StepMetrics]:
    return [StepMetrics(number, loss, 10 * number, 1.0, 1e-3) for number, loss in enumerate(losses, start=1)]


@pytest.mark.parametrize(
    ("losses", "name", "held"),
    [
        ([2.0, 2.1], "the loss is finite", True),
        ([2.0, float("nan")], "the loss is finite", False),
        ([3.0] * 10 + [2.0] * 10, "the loss went down", True),
        ([2.0] * 10 + [3.0] * 10, "the loss went down", False),
    ],
)
def test_the_loss_of_a_few_steps_need_not_fall(losses: list[float], name: str, held: bool) -> None:
    check = loss_check(steps(losses))
    assert (check.name, check.held) == (name, held)


def test_the_layout_names_every_axis_that_is_used(tmp_path: Path) -> None:
    three = {
        row[0]: row[1] for row in layout_table(plan(tmp_path, parallel={"data": 2, "pipeline": 2, "tensor": 2})).rows
    }
    assert three["data x pipeline x tensor"] == "2 x 2 x 2" and "LoRA" not in three
    experts = {"experts": 4, "experts_per_token": 2, "expert_intermediate": 32}
    spread = plan(tmp_path, architecture="moe", sizes=SIZES | experts, parallel={"data": 2, "expert": 2})
    assert ["replicas that share the experts", 2] in layout_table(spread).rows
    adapted = plan(tmp_path, **{"from": "a/b", "sizes": None, "lora": {"rank": 4}})
    assert ["LoRA", "rank 4, alpha 8"] in layout_table(adapted).rows


def test_restarts_tell_what_was_lost(tmp_path: Path) -> None:
    trained = plan(tmp_path)
    append_attempt(trained.attempts, Attempt(0, 1.0, [1]))
    append_attempt(trained.attempts, Attempt(6, 9.0, [2], lost_steps=3, lost_seconds=1.25, notes=["another layout"]))
    assert restarts_table(trained).rows == [[6, 3, 1.2, "another layout"]]
