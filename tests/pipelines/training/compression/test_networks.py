"""Every kind of network trains with signs nearly as with whole gradients."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from benchmarks.training.gloo import Case, train_cases
from danlu.progress import Progress
from pipelines.training.encoding import EncodingPlan, encode_files
from pipelines.training.export import logit_difference
from pipelines.training.metrics import read_metrics
from pipelines.training.plan import TrainingPlan

VOCABULARY, STEPS = 400, 24
SHAPE = {"layers": 2, "hidden": 32, "intermediate": 64, "heads": 4, "kv_heads": 2, "head_dim": 8, "context": 128}
EXPERTS = {"experts": 4, "experts_per_token": 2, "expert_intermediate": 32}
SLICES = {"slices": 4, "slices_per_token": 2, "slice_width": 32, "shared_width": 8}
ONEBIT = {"kind": "onebit", "warmup_steps": 8, "refresh_every": 5}
NETWORKS: dict[str, dict[str, Any]] = {
    "dense": {"sizes": SHAPE, "recompute": True, "batch": {"sequences": 8, "length": 48, "micro": 2}},
    "moe": {"architecture": "moe", "sizes": SHAPE | EXPERTS},
    "sparse": {"architecture": "sparse", "sizes": SHAPE | SLICES},
}


@pytest.fixture(scope="module")
def trained(
    text_file: Path, tokenizer_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, TrainingPlan]:
    folder = tmp_path_factory.mktemp("networks")
    with Progress(io.StringIO()).stage("tokens") as stage:
        plan = EncodingPlan("text", str(tokenizer_folder), 48, validation_share=0.1)
        encode_files([str(text_file)], plan, folder / "tokens", VOCABULARY, stage)
    common = {
        "steps": STEPS,
        "batch": {"sequences": 8, "length": 48},
        "parallel": {"data": 2},
        "optimizer": {"learning_rate": 5e-3},
        "checkpoint_every": STEPS,
    }
    cases = {
        f"{name}-{kind}": Case("text", common | settings | {"gradient_compression": how})
        for name, settings in NETWORKS.items()
        for kind, how in (("none", "none"), ("onebit", ONEBIT))
    }
    return train_cases(cases, {"text": folder / "tokens"}, tokenizer_folder, VOCABULARY, folder / "runs")


@pytest.mark.parametrize("name", NETWORKS)
def test_the_loss_follows_that_of_whole_gradients(name: str, trained: dict[str, TrainingPlan]) -> None:
    whole, signs = (
        [row.loss for row in read_metrics(trained[f"{name}-{kind}"].metrics)] for kind in ("none", "onebit")
    )
    assert signs[:9] == pytest.approx(whole[:9], rel=1e-4)
    assert signs[-1] < signs[8] - 0.3, "signs go on learning"
    assert signs[-1] == pytest.approx(whole[-1], rel=0.1)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_checkpoint_is_that_of_the_trained_network(name: str, trained: dict[str, TrainingPlan]) -> None:
    difference, allowed = logit_difference(trained[f"{name}-onebit"])
    assert difference <= allowed
