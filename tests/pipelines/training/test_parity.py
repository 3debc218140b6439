"""Every way to spread training follows the loss of one plain process, which knows of no engine, shards or padding."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

from actors.networks.sizes import PRESETS
from benchmarks.training.gloo import Case, train_cases
from benchmarks.training.one_process import PlainStep, plain_losses, plain_training
from danlu.progress import Progress
from pipelines.training.batches import validation_samples
from pipelines.training.encoding import EncodingPlan, encode_files
from pipelines.training.export import logit_difference
from pipelines.training.metrics import read_metrics
from pipelines.training.plan import TrainingPlan
from pipelines.training.token_store import TokenStore

STEPS, VOCABULARY = 10, 400
SHAPE = {"layers": 2, "hidden": 32, "intermediate": 64, "heads": 4, "kv_heads": 2, "head_dim": 8, "context": 128}
EXPERTS = {"experts": 4, "experts_per_token": 2, "expert_intermediate": 32}
SLICES = {"slices": 4, "slices_per_token": 2, "slice_width": 32, "shared_width": 8}
BLOCKS: dict[str, dict[str, Any]] = {
    "dense": {},
    "moe": EXPERTS,
    "sparse": SLICES,
    "dense and moe": {**EXPERTS, "blocks": "dense, moe"},
    "all kinds": {**EXPERTS, **SLICES, "layers": 3, "blocks": "dense, sparse, moe"},
}
BF16, RECOMPUTE = {"precision": "bf16"}, {"recompute": True}

# name: (kind, architecture, what differs from two replicas in fp32)
CASES: dict[str, tuple[str, str, dict[str, Any]]] = {
    **{f"dense-zero{z}": ("text", "dense", {"parallel": {"zero": z}}) for z in range(4)},
    **{f"moe-zero{z}": ("text", "moe", {"parallel": {"zero": z}}) for z in range(4)},
    "dense-recompute-zero3": ("text", "dense", {"parallel": {"zero": 3}, "recompute": True}),
    "moe-recompute-zero3": ("text", "moe", {"parallel": {"zero": 3}, "recompute": True}),
    "dense-micro-zero2": ("text", "dense", {"parallel": {"zero": 2}, "batch": {"micro": 1}}),
    "dense-unclipped-zero0": ("text", "dense", {"parallel": {"zero": 0}, "optimizer": {"gradient_clipping": 0.0}}),
    "chat-dense-zero1": ("chat", "dense", {"parallel": {"zero": 1}}),
    "chat-moe-zero3": ("chat", "moe", {"parallel": {"zero": 3}}),
    **{f"sparse-zero{z}": ("text", "sparse", {"parallel": {"zero": z}}) for z in range(4)},
    "sparse-recompute-zero3": ("text", "sparse", {"parallel": {"zero": 3}, "recompute": True}),
    "chat-sparse-zero3": ("chat", "sparse", {"parallel": {"zero": 3}}),
    "dense-and-moe-zero3": ("text", "dense and moe", {"parallel": {"zero": 3}}),
    "all-kinds-zero2": ("text", "all kinds", {"parallel": {"zero": 2}}),
    "bf16-sparse-zero1": ("text", "sparse", {"parallel": {"zero": 1}, "precision": "bf16"}),
    "bf16-dense-zero1": ("text", "dense", {"parallel": {"zero": 1}, "precision": "bf16"}),
    "bf16-moe-zero3": ("text", "moe", {"parallel": {"zero": 3}, "precision": "bf16"}),
    **{
        name: (kind, "moe", {"parallel": {"data": data, "expert": 2, "zero": zero}, **more})
        for name, kind, data, zero, more in [
            ("moe-expert2-zero0", "text", 2, 0, {}),
            ("moe-expert2-zero2", "text", 2, 2, {}),
            ("chat-moe-expert2-zero1-recompute", "chat", 2, 1, RECOMPUTE),
            ("bf16-moe-expert2-zero1", "text", 2, 1, BF16),
            ("moe-data4-expert2-zero0", "text", 4, 0, {}),
            ("moe-data4-expert2-zero1", "text", 4, 1, {}),
        ]
    },
    **{
        name: (kind, architecture, {"parallel": {"data": 1, "tensor": 2, "zero": zero}, **more})
        for name, kind, architecture, zero, more in [
            ("dense-tensor2", "text", "dense", 0, {}),
            ("dense-and-moe-tensor2", "text", "dense and moe", 0, {}),
            ("moe-tensor2-recompute", "text", "moe", 1, RECOMPUTE),
            ("chat-dense-tensor2-zero2", "chat", "dense", 2, {}),
            ("bf16-moe-tensor2-zero3-recompute", "text", "moe", 3, BF16 | RECOMPUTE),
        ]
    },
    **{
        name: (kind, architecture, {"parallel": {"data": 1, "pipeline": 2, "zero": zero}, **more})
        for name, kind, architecture, zero, more in [
            ("dense-pipeline2", "text", "dense", 0, {}),
            ("untied-pipeline2", "text", "dense", 0, {"sizes": {"tied_embeddings": False}}),
            ("moe-pipeline2-zero1-recompute", "text", "moe", 1, RECOMPUTE),
            ("chat-moe-pipeline2", "chat", "moe", 0, {}),
            ("dense-and-moe-pipeline2", "text", "dense and moe", 0, {}),
            ("bf16-dense-pipeline2-zero1", "text", "dense", 1, BF16),
        ]
    },
    **{f"dense-data2-tensor2-zero{z}": ("text", "dense", {"parallel": {"tensor": 2, "zero": z}}) for z in range(4)},
    "moe-data2-tensor2-zero3": ("text", "moe", {"parallel": {"tensor": 2, "zero": 3}}),
    "chat-moe-data2-pipeline2-zero1": ("chat", "moe", {"parallel": {"pipeline": 2, "zero": 1}}),
    "dense-pipeline2-tensor2": ("text", "dense", {"parallel": {"data": 1, "pipeline": 2, "tensor": 2}}),
    # Signs are sent in the last step only; until then their warm-up must be what it is without.
    "onebit-data2-pipeline2": (
        "text",
        "dense",
        {"parallel": {"pipeline": 2}, "gradient_compression": {"kind": "onebit", "warmup_steps": STEPS - 1}},
    ),
    "dense-2x2x2": ("text", "dense", {"parallel": {"pipeline": 2, "tensor": 2}}),
    "moe-2x2x2-zero1-recompute": ("text", "moe", {"parallel": {"pipeline": 2, "tensor": 2, "zero": 1}, **RECOMPUTE}),
    "bf16-moe-2x2x2-zero1": ("text", "moe", {"parallel": {"pipeline": 2, "tensor": 2, "zero": 1}, **BF16}),
}


def case_of(name: str) -> Case:
    kind, architecture, change = CASES[name]
    return Case(kind, settings_of(architecture, change))


def settings_of(architecture: str, change: dict[str, Any]) -> dict[str, Any]:
    sizes = SHAPE | BLOCKS[architecture] | change.get("sizes", {})
    return {
        "architecture": architecture if architecture in PRESETS else None,
        "sizes": sizes,
        "steps": STEPS,
        "batch": {"sequences": 8, "length": 48, **change.get("batch", {})},
        "parallel": {"data": 2, **change["parallel"]},
        "optimizer": {"learning_rate": 5e-3, "gradient_clipping": 0.5, **change.get("optimizer", {})},
        "precision": change.get("precision", "fp32"),
        "recompute": change.get("recompute", False),
        "gradient_compression": change.get("gradient_compression", "none"),
        "checkpoint_every": 5,
    }


# More than two processes take a while to start.
MARKED = [
    pytest.param(name, marks=pytest.mark.slow if case_of(name).config().layout.world > 2 else ()) for name in CASES
]
Trained = Callable[[str], TrainingPlan]


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
def trained(stores: dict[str, Path], tokenizer_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A case, trained by gloo processes together with all cases that want as many of them."""
    plans: dict[str, TrainingPlan] = {}

    def train(name: str) -> TrainingPlan:
        if name not in plans:
            workers = case_of(name).config().layout.world
            alike = {other: case_of(other) for other in CASES if case_of(other).config().layout.world == workers}
            folder = tmp_path_factory.mktemp("parity")
            # No compiler, no ninja, nothing compiled earlier: DeepSpeed must do without.
            bare = {"PATH": "", "TORCH_EXTENSIONS_DIR": str(folder / "extensions")}
            plans.update(train_cases(alike, stores, tokenizer_folder, VOCABULARY, folder, bare))
            assert not (folder / "extensions").exists()
        return plans[name]

    return train


@pytest.fixture(scope="module")
def references() -> dict[tuple[Any, ...], list[PlainStep]]:
    return {}


@pytest.mark.parametrize("name", MARKED)
def test_losses_and_norms_are_those_of_one_process(
    name: str, trained: Trained, stores: dict[str, Path], references: dict[tuple[Any, ...], list[PlainStep]]
) -> None:
    kind, architecture, _ = CASES[name]
    plan = trained(name)
    config = plan.config
    at_once = config.micro_sequences * config.parallel.data if architecture != "dense" else None
    key = (kind, config.sizes, config.optimizer.gradient_clipping, at_once)
    if key not in references:
        references[key] = list(plain_training(config, kind, stores[kind], VOCABULARY))
    rows, expected = read_metrics(plan.metrics), references[key]
    assert len(rows) == STEPS and rows[-1].loss < rows[0].loss - 0.3
    tolerance = 2e-2 if config.precision == "bf16" else 1e-4
    assert [row.loss for row in rows] == pytest.approx([step.loss for step in expected], rel=tolerance)
    if architecture != "dense":
        assert [row.router_loss for row in rows] == pytest.approx([s.router_loss for s in expected], rel=tolerance)
    # Where signs are sent, the norm is an estimate.
    known = slice(None, -1 if config.gradient_compression.is_on else None)
    norms = [row.gradient_norm for row in rows][known]
    assert norms == pytest.approx([step.gradient_norm for step in expected][known], rel=10 * tolerance)


@pytest.mark.parametrize("name", MARKED)
def test_the_checkpoint_loads_in_transformers_with_equal_logits(name: str, trained: Trained) -> None:
    difference, allowed = logit_difference(trained(name))
    assert difference <= allowed


VALIDATED = ["dense-zero3", "moe-recompute-zero3", "sparse-zero3", "dense-tensor2", "dense-pipeline2"]


@pytest.mark.parametrize("name", VALIDATED)
def test_the_validation_loss_is_that_of_the_saved_network(name: str, trained: Trained, stores: dict[str, Path]) -> None:
    plan = trained(name)
    model = AutoModelForCausalLM.from_pretrained(plan.result).eval()
    held_out = validation_samples(TokenStore(stores[plan.kind] / "validation"), plan.kind, 48, at_most=100)
    at_once = plan.config.parallel.data * plan.config.micro_sequences
    assert at_once == 1 or len(held_out) % at_once  # or the replicas' shares would need no filling up
    with torch.no_grad():
        loss, _ = plain_losses(model, held_out)
    assert read_metrics(plan.metrics)[-1].validation_loss == pytest.approx(loss.item(), rel=1e-4)


def test_experts_are_balanced(trained: Trained) -> None:
    router = [row.router_loss for row in read_metrics(trained("moe-zero1").metrics)]
    assert all(loss is not None and loss >= EXPERTS["experts_per_token"] - 0.05 for loss in router)


def test_a_finished_checkpoint_generates_and_stops(trained: Trained, tokenizer: PreTrainedTokenizerFast) -> None:
    folder = trained("chat-dense-zero1").result
    assert {"config.json", "model.safetensors", "tokenizer.json", "chat_template.jinja", "generation_config.json"} <= {
        file.name for file in folder.iterdir()
    }
    model = AutoModelForCausalLM.from_pretrained(folder)
    ends = tokenizer.convert_tokens_to_ids(["<|im_end|>", "<|endoftext|>"])
    assert sorted(model.generation_config.eos_token_id) == sorted(ends)
