"""Two workers in every mode follow the loss of one plain process, which knows of no engine, shards or padding."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

from danlu.config import validate
from danlu.progress import Progress
from pipelines.training.batches import IGNORED, Sample, count_targets, open_samples
from pipelines.training.config import TrainConfig
from pipelines.training.encoding import EncodingPlan, encode_files
from pipelines.training.export import logit_difference
from pipelines.training.metrics import read_metrics
from pipelines.training.network import make_network
from pipelines.training.plan import TrainingPlan
from pipelines.training.schedule import learning_rate
from pipelines.training.token_store import TokenStore

STEPS, WORKERS, VOCABULARY = 10, 2, 400
SHAPE = {"layers": 2, "hidden": 32, "intermediate": 64, "heads": 4, "kv_heads": 2, "head_dim": 8, "context": 128}
EXPERTS = {"experts": 4, "experts_per_token": 2, "expert_intermediate": 32}

# name: (kind, architecture, what differs from one process in fp32)
CASES: dict[str, tuple[str, str, dict[str, Any]]] = {
    **{f"dense-zero{z}": ("text", "dense", {"parallel": {"zero": z}}) for z in range(4)},
    **{f"moe-zero{z}": ("text", "moe", {"parallel": {"zero": z}}) for z in range(4)},
    "dense-recompute-zero3": ("text", "dense", {"parallel": {"zero": 3}, "recompute": True}),
    "moe-recompute-zero3": ("text", "moe", {"parallel": {"zero": 3}, "recompute": True}),
    "dense-micro-zero2": ("text", "dense", {"parallel": {"zero": 2}, "batch": {"micro": 1}}),
    "dense-unclipped-zero0": ("text", "dense", {"parallel": {"zero": 0}, "optimizer": {"gradient_clipping": 0.0}}),
    "chat-dense-zero1": ("chat", "dense", {"parallel": {"zero": 1}}),
    "chat-moe-zero3": ("chat", "moe", {"parallel": {"zero": 3}}),
    "bf16-dense-zero1": ("text", "dense", {"parallel": {"zero": 1}, "precision": "bf16"}),
    "bf16-moe-zero3": ("text", "moe", {"parallel": {"zero": 3}, "precision": "bf16"}),
}


def settings_of(name: str) -> dict[str, Any]:
    _, architecture, change = CASES[name]
    sizes = SHAPE | (EXPERTS if architecture == "moe" else {})
    return {
        "input": "unused",
        "output": "unused",
        "architecture": architecture,
        "sizes": sizes,
        "steps": STEPS,
        "batch": {"sequences": 8, "length": 48, **change.get("batch", {})},
        "parallel": {"data": WORKERS, **change["parallel"]},
        "optimizer": {"learning_rate": 5e-3, "gradient_clipping": 0.5, **change.get("optimizer", {})},
        "precision": change.get("precision", "fp32"),
        "recompute": change.get("recompute", False),
        "checkpoint_every": 5,
    }


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def stores(
    text_file: Path, chat_file: Path, tokenizer_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    folders = {}
    for kind, file in (("text", text_file), ("chat", chat_file)):
        folders[kind] = tmp_path_factory.mktemp(kind) / "tokens"
        with Progress().stage("tokens") as stage:
            plan = EncodingPlan(kind, str(tokenizer_folder), 48, validation_share=0.1)
            encode_files([str(file)], plan, folders[kind], VOCABULARY, stage)
    return folders


@pytest.fixture(scope="module")
def trained(
    stores: dict[str, Path], tokenizer_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, TrainingPlan]:
    """Every case, trained by two gloo processes one after the other."""
    folder = tmp_path_factory.mktemp("parity")
    cases, plans = {}, {}
    for name, (kind, _, _) in CASES.items():
        (folder / name).mkdir()
        (folder / name / "tokens").symlink_to(stores[kind])
        (folder / name / "tokenizer").symlink_to(tokenizer_folder)
        cases[name] = {"config": settings_of(name), "kind": kind, "vocabulary": VOCABULARY}
        config = validate(TrainConfig, cases[name]["config"]).resolved()
        plans[name] = TrainingPlan(config, kind, str(folder / name), None, VOCABULARY, "cpu", began=0.0)
    (folder / "cases.json").write_text(json.dumps(cases))
    script = Path(__file__).with_name("parity_worker.py")
    run = [sys.executable, str(script), str(folder / "cases.json")]
    # No compiler, no ninja, nothing compiled earlier: DeepSpeed must do without.
    bare = os.environ | {"PATH": "", "TORCH_EXTENSIONS_DIR": str(folder / "extensions")}
    workers = [
        subprocess.Popen([*run, str(rank), str(WORKERS)], stderr=subprocess.PIPE, env=bare) for rank in range(WORKERS)
    ]
    errors = [worker.communicate(timeout=280)[1].decode() for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * WORKERS, "\n".join(errors)[-4000:]
    assert not (folder / "extensions").exists()
    return plans


def reference(config: TrainConfig, kind: str, store: Path) -> Iterator[float]:
    """The losses of one process in fp32, the gradient taken from one sequence after the other without padding."""
    model = make_network(config, None, VOCABULARY).train()
    matrices = [p for p in model.parameters() if p.ndim > 1]
    vectors = [p for p in model.parameters() if p.ndim == 1]
    decay = config.optimizer.weight_decay
    groups = [{"params": matrices, "weight_decay": decay}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.95))
    samples = open_samples(TokenStore(store / "train"), kind, config.batch.sequences, config.batch.length, config.seed)
    for step in range(config.total_steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, config.total_steps, config.optimizer)
        loss, router_loss = plain_losses(model, samples.step(step))
        (loss + getattr(model.config, "router_aux_loss_coef", 0.0) * router_loss).backward()
        if config.optimizer.gradient_clipping:
            torch.nn.utils.clip_grad_norm_(model.parameters(), config.optimizer.gradient_clipping)
        optimizer.step()
        optimizer.zero_grad()
        yield loss.item()


def plain_losses(model: torch.nn.Module, samples: list[Sample]) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean cross entropy, and the router loss as transformers computes it from the whole batch."""
    from transformers.models.qwen3_moe.modeling_qwen3_moe import load_balancing_loss_func

    experts = getattr(model.config, "num_experts_per_tok", None)
    total, routed = torch.zeros(()), []
    for sample in samples:
        more = {"output_router_logits": True} if experts else {}
        outputs = model(input_ids=torch.from_numpy(sample.inputs)[None], **more)
        targets = torch.from_numpy(sample.targets)
        total = total + F.cross_entropy(outputs.logits[0], targets, ignore_index=IGNORED, reduction="sum")
        if experts:
            routed.append(outputs.router_logits)
    if not experts:
        return total / count_targets(samples), torch.zeros(())
    layers = tuple(torch.cat(layer) for layer in zip(*routed, strict=True))
    return total / count_targets(samples), load_balancing_loss_func(layers, model.config.num_experts, experts)


@pytest.fixture(scope="module")
def references(stores: dict[str, Path]) -> dict[tuple[str, str, float], list[float]]:
    return {}


@pytest.mark.parametrize("name", CASES)
def test_the_loss_is_that_of_one_process(
    name: str, trained: dict[str, TrainingPlan], stores: dict[str, Path], references: dict
) -> None:
    kind, architecture, _ = CASES[name]
    plan = trained[name]
    key = (kind, architecture, plan.config.optimizer.gradient_clipping)
    if key not in references:
        references[key] = list(reference(plan.config, kind, stores[kind]))
    losses = [row.loss for row in read_metrics(plan.metrics)]
    assert len(losses) == STEPS and losses[-1] < losses[0] - 0.3
    assert losses == pytest.approx(references[key], rel=2e-2 if plan.config.precision == "bf16" else 1e-4)


@pytest.mark.parametrize("name", CASES)
def test_the_checkpoint_loads_in_transformers_with_equal_logits(name: str, trained: dict[str, TrainingPlan]) -> None:
    difference, allowed = logit_difference(trained[name])
    assert difference <= allowed


@pytest.mark.parametrize("name", ["dense-zero3", "moe-recompute-zero3"])
def test_the_validation_loss_is_that_of_the_saved_network(
    name: str, trained: dict[str, TrainingPlan], stores: dict[str, Path]
) -> None:
    from pipelines.training.batches import validation_samples

    plan = trained[name]
    model = AutoModelForCausalLM.from_pretrained(plan.result).eval()
    held_out = validation_samples(TokenStore(stores[plan.kind] / "validation"), plan.kind, 48, at_most=100)
    assert len(held_out) % (WORKERS * plan.config.micro_sequences)  # or the workers' shares would need no filling up
    with torch.no_grad():
        loss, _ = plain_losses(model, held_out)
    assert read_metrics(plan.metrics)[-1].validation_loss == pytest.approx(loss.item(), rel=1e-4)


def test_experts_are_balanced_over_all_workers(trained: dict[str, TrainingPlan]) -> None:
    router = [row.router_loss for row in read_metrics(trained["moe-zero1"].metrics)]
    assert all(loss is not None and loss >= EXPERTS["experts_per_token"] - 0.05 for loss in router)
    assert np.allclose(router, [row.router_loss for row in read_metrics(trained["moe-zero3"].metrics)], rtol=1e-4)


def test_metrics_tell_the_gradients_norm_at_every_stage(trained: dict[str, TrainingPlan]) -> None:
    norms = [[row.gradient_norm for row in read_metrics(trained[f"dense-zero{stage}"].metrics)] for stage in range(4)]
    assert all(np.allclose(norms[0], other, rtol=1e-3) for other in norms[1:])


def test_a_finished_checkpoint_generates_and_stops(
    trained: dict[str, TrainingPlan], tokenizer: PreTrainedTokenizerFast
) -> None:
    folder = trained["chat-dense-zero1"].result
    assert {"config.json", "model.safetensors", "tokenizer.json", "chat_template.jinja", "generation_config.json"} <= {
        file.name for file in folder.iterdir()
    }
    model = AutoModelForCausalLM.from_pretrained(folder)
    ends = tokenizer.convert_tokens_to_ids(["<|im_end|>", "<|endoftext|>"])
    assert sorted(model.generation_config.eos_token_id) == sorted(ends)
