"""Adapters train like one process does at every ZeRO stage, leave the network alone, and merge into it exactly."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

from actors.networks.build import build_config
from actors.networks.sizes import Architecture, Sizes
from benchmarks.training.gloo import Case, train_cases
from benchmarks.training.one_process import plain_training
from danlu.config import validate
from danlu.errors import ConfigError
from danlu.progress import Progress
from pipelines.training.config import TrainConfig
from pipelines.training.encoding import EncodingPlan, encode_files
from pipelines.training.export import logit_difference
from pipelines.training.lora import add_adapters, linear_names, merged
from pipelines.training.metrics import read_metrics
from pipelines.training.network import check_checkpoint
from pipelines.training.plan import TrainingPlan
from pipelines.training.settings import LoraSettings

VOCABULARY = 400
SHAPE = {"layers": 2, "hidden": 32, "intermediate": 64, "heads": 4, "kv_heads": 2, "head_dim": 8, "context": 128}
EXPERTS = {"experts": 4, "experts_per_token": 2, "expert_intermediate": 32}
CASES: dict[str, tuple[Architecture, dict[str, Any]]] = {
    **{f"zero{stage}": ("dense", {"parallel": {"data": 2, "zero": stage}}) for stage in range(4)},
    "recompute-zero2": ("dense", {"parallel": {"data": 2, "zero": 2}, "recompute": True}),
    "moe-recompute-zero3": ("moe", {"parallel": {"data": 2, "zero": 3}, "recompute": True}),
    "bf16-zero1": ("dense", {"parallel": {"data": 2, "zero": 1}, "precision": "bf16"}),
}


def network(kind: Architecture, seed: int = 0):
    torch.manual_seed(seed)
    sizes = Sizes(**SHAPE, **(EXPERTS if kind == "moe" else {}))
    return AutoModelForCausalLM.from_config(build_config(kind, sizes, VOCABULARY), dtype=torch.float32)


@pytest.fixture(scope="module")
def bases(tokenizer: PreTrainedTokenizerFast, tmp_path_factory: pytest.TempPathFactory) -> dict[Architecture, str]:
    folders = {kind: tmp_path_factory.mktemp(kind) for kind in ("dense", "moe")}
    for kind, folder in folders.items():
        network(kind).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    return {kind: str(folder) for kind, folder in folders.items()}


@pytest.fixture(scope="module")
def store(text_file: Path, tokenizer_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokens")
    with Progress().stage("tokens") as stage:
        encode_files([str(text_file)], EncodingPlan("text", str(tokenizer_folder), 48, 0.1), folder, VOCABULARY, stage)
    return folder


@pytest.fixture(scope="module")
def trained(
    bases: dict[Architecture, str], store: Path, tokenizer_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, TrainingPlan]:
    cases = {}
    for name, (kind, change) in CASES.items():
        settings = {
            "from": bases[kind],
            "lora": {"rank": 4},
            "steps": 6,
            "batch": {"sequences": 4, "length": 32},
            "optimizer": {"learning_rate": 2e-2},
            "checkpoint_every": 6,
        }
        cases[name] = Case("text", settings | change, bases[kind])
    folder = tmp_path_factory.mktemp("lora")
    return train_cases(cases, {"text": store}, tokenizer_folder, VOCABULARY, folder)


@pytest.mark.parametrize("name", CASES)
def test_the_loss_is_that_of_one_process(
    name: str, trained: dict[str, TrainingPlan], bases: dict[Architecture, str], store: Path
) -> None:
    plan = trained[name]
    reference = [step.loss for step in plain_training(plan.config, "text", store, VOCABULARY, bases[CASES[name][0]])]
    losses = [row.loss for row in read_metrics(plan.metrics)]
    assert losses == pytest.approx(reference, rel=2e-2 if "bf16" in name else 1e-4)
    assert losses[-1] < losses[0] - 0.1


@pytest.mark.parametrize("name", CASES)
def test_the_checkpoint_is_the_network_with_its_adapters_merged(
    name: str, trained: dict[str, TrainingPlan], bases: dict[Architecture, str]
) -> None:
    """The probe was made by the unmerged network in training; `adapter/` gives the same through peft."""
    plan = trained[name]
    difference, allowed = logit_difference(plan)
    assert difference <= allowed
    base = AutoModelForCausalLM.from_pretrained(bases[CASES[name][0]], dtype=torch.float32)
    adapted = PeftModel.from_pretrained(copy.deepcopy(base), str(plan.adapter)).eval()
    merged_network = AutoModelForCausalLM.from_pretrained(plan.result, dtype=torch.float32).eval()
    tokens = torch.arange(20)[None]
    with torch.no_grad():
        found, expected = merged_network(input_ids=tokens).logits, adapted(input_ids=tokens).logits
        before = base.eval()(input_ids=tokens).logits
    tolerance = 3e-2 if "bf16" in name else 1e-4
    assert (found - expected).abs().max() <= tolerance * expected.abs().max()
    assert (found - before).abs().max() > 0.05 * before.abs().max()


def test_only_the_adapters_have_changed(trained: dict[str, TrainingPlan], bases: dict[Architecture, str]) -> None:
    before, after = (
        load_file(Path(folder) / "model.safetensors") for folder in (bases["dense"], trained["zero1"].result)
    )
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {name for name in before if "_proj." in name}
    pairs = load_file(trained["zero1"].adapter / "adapter_model.safetensors")
    assert len(pairs) == 2 * len(changed)
    assert all(min(pair.shape) == 4 for pair in pairs.values())


@pytest.mark.parametrize("alpha", [None, 3])
def test_merging_is_what_peft_does(alpha: int | None) -> None:
    from peft.tuners.lora import LoraLayer

    model, settings = network("dense"), LoraSettings(rank=4, alpha=alpha)
    add_adapters(model, settings, seed=1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_()
    found = merged(dict(model.named_parameters()), settings)
    for module in model.modules():
        if isinstance(module, LoraLayer):
            module.merge()
    expected = {
        name.replace("base_layer.", ""): value for name, value in model.named_parameters() if "lora" not in name
    }
    assert set(found) == set(expected)
    assert all(torch.allclose(found[name], expected[name], atol=1e-5) for name in expected)


def test_adapters_are_the_same_for_the_same_seed_and_change_nothing_at_first() -> None:
    first, second, plain = network("dense"), network("dense"), network("dense")
    add_adapters(first, LoraSettings(), seed=3)
    add_adapters(second, LoraSettings(), seed=3)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    tokens = torch.arange(9)[None]
    assert torch.equal(first(input_ids=tokens).logits, plain(input_ids=tokens).logits)
    assert linear_names(network("moe")) == {"q_proj", "k_proj", "v_proj", "o_proj"}


def test_what_adapters_can_not_do_is_refused(bases: dict[Architecture, str]) -> None:
    base = {"input": "x", "output": "y", "lora": {}}
    with pytest.raises(ConfigError, match="lora is given and from is not"):
        validate(TrainConfig, base)
    with pytest.raises(ConfigError, match=r"lora is given and parallel\.tensor is 2"):
        validate(TrainConfig, base | {"from": bases["dense"], "parallel": {"tensor": 2}})
    config = validate(TrainConfig, base | {"from": bases["moe"], "lora": {"targets": ["gate_proj"]}})
    with pytest.raises(ConfigError, match=r"lora\.targets has 'gate_proj': the linear layers of this network are"):
        check_checkpoint(bases["moe"], 32, config.layout, config.lora)


@pytest.mark.parametrize(
    ("family", "names", "fix"),
    [
        ("gpt_neox", "dense, dense_4h_to_h, dense_h_to_4h, query_key_value", "name some of them"),
        ("gpt2", "none", "leave lora out"),  # its layers are Conv1D
    ],
)
def test_a_network_without_usual_names_is_refused_before_training(
    family: str, names: str, fix: str, tmp_path: Path
) -> None:
    small = {"vocab_size": 64, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    AutoConfig.for_model(family, **small).save_pretrained(tmp_path)
    config = validate(TrainConfig, {"input": "x", "output": "y", "from": str(tmp_path), "lora": {}})
    with pytest.raises(ConfigError, match=rf"lora\.targets is null.*they are {names}(?s:.*){fix}"):
        check_checkpoint(str(tmp_path), 32, config.layout, config.lora)
    if names != "none":
        chosen = LoraSettings(targets=["query_key_value"])
        check_checkpoint(str(tmp_path), 32, config.layout, chosen)
