"""Which network a training config asks for, and networks that can't be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from actors.networks.build import architecture_of
from actors.networks.sizes import preset
from danlu.config import to_yaml, validate
from danlu.errors import ConfigError, InputError, NotAvailableError
from pipelines.training.config import TrainConfig
from pipelines.training.layout import Layout
from pipelines.training.network import check_checkpoint, find_checkpoint, make_network

SHAPE = {"layers": 4, "hidden": 32, "intermediate": 64, "heads": 4, "kv_heads": 2, "head_dim": 8, "context": 128}
EXPERTS = {"experts": 4, "experts_per_token": 2, "expert_intermediate": 16}
SLICES = {"slices": 4, "slices_per_token": 2, "slice_width": 16}


def config_of(**values: Any) -> TrainConfig:
    return validate(TrainConfig, {"input": "a", "output": "b", "batch": {"length": 64}, **values})


@pytest.mark.parametrize(
    ("values", "architecture", "layers"),
    [
        ({}, "dense", ["Qwen3MLP"] * 2),
        ({"architecture": "sparse"}, "sparse", ["SlicedFeedForward"] * 2),
        ({"sizes": {**SHAPE, **SLICES}}, "sparse", ["SlicedFeedForward"] * 4),
        (
            {"sizes": {**SHAPE, **EXPERTS, "blocks": "dense*2, moe*2"}},
            "moe",
            ["Qwen3MoeMLP"] * 2 + ["Qwen3MoeSparseMoeBlock"] * 2,
        ),
        (
            {"sizes": {**SHAPE, **EXPERTS, **SLICES, "blocks": ["sparse", "moe", "dense", "sparse"]}},
            "sparse",
            ["SlicedFeedForward", "Qwen3MoeSparseMoeBlock", "Qwen3MoeMLP", "SlicedFeedForward"],
        ),
    ],
)
def test_sizes_decide_the_network(values: dict[str, Any], architecture: str, layers: list[str]) -> None:
    config = config_of(**values).resolved()
    model = make_network(config, None, 300)
    assert config.architecture == architecture == architecture_of(model.config)
    assert [type(layer.mlp).__name__ for layer in model.model.layers] == layers
    assert f"architecture: {architecture}" in to_yaml(config)


def test_training_goes_on_from_a_sparse_checkpoint(tmp_path: Path) -> None:
    first = make_network(config_of(sizes={**SHAPE, **SLICES, "blocks": "dense, sparse"}).resolved(), None, 300)
    first.save_pretrained(tmp_path)
    check_checkpoint(str(tmp_path), 128, Layout(data=2))
    again = make_network(config_of(**{"from": str(tmp_path)}).resolved(), str(tmp_path), 300)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))


def test_the_presets_of_sparse_are_twins_of_the_dense_ones() -> None:
    for name in ("tiny", "small"):
        dense, sparse = preset("dense", name), preset("sparse", name)
        slices = ("slices", "slices_per_token", "slice_width", "shared_width")
        assert sparse.model_copy(update=dict.fromkeys(slices, 0)) == dense


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ({"architecture": "dense", "sizes": {**SHAPE, **SLICES}}, "use architecture=sparse"),
        ({"architecture": "moe", "sizes": {**SHAPE, **SLICES}}, "architecture moe needs at least one expert"),
        ({"architecture": "sparse", "sizes": SHAPE}, "architecture sparse needs at least one slice"),
        ({"sizes": {**SHAPE, "blocks": "dense, spars"}}, "has 'spars'"),
        ({"architecture": "sparse", "size": "8b"}, "sparse has tiny, small"),
    ],
)
def test_what_does_not_fit_is_refused(values: dict[str, Any], rule: str) -> None:
    with pytest.raises(ConfigError, match=rule):
        config_of(**values)


@pytest.mark.parametrize("axis", ["pipeline", "tensor", "expert"])
def test_a_sparse_network_is_spread_by_data_only(axis: str) -> None:
    rule = rf"parallel\.{axis} is 2 and the network has sparse layers.*parallel\.zero=3"
    with pytest.raises(ConfigError, match=rule):
        config_of(architecture="sparse", parallel={axis: 2, "data": 2})


def test_a_sparse_checkpoint_is_not_cut_either(tmp_path: Path) -> None:
    config = config_of(sizes={**SHAPE, **SLICES, "blocks": "dense, sparse"}).resolved()
    make_network(config, None, 300).save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match=r"parallel\.tensor is 2 and the network has sparse layers"):
        check_checkpoint(str(tmp_path), 64, Layout(tensor=2))


@pytest.mark.parametrize(
    ("changes", "layout", "rule"),
    [
        ({"attention_bias": True}, Layout(tensor=2), "its attention has biases"),
        ({"use_sliding_window": True, "sliding_window": 16, "max_window_layers": 1}, Layout(pipeline=2), "sliding"),
    ],
)
def test_checkpoints_with_layers_that_can_not_be_cut_are_refused(
    changes: dict[str, Any], layout: Layout, rule: str, tmp_path: Path
) -> None:
    from transformers import Qwen3Config

    Qwen3Config(hidden_size=32, num_hidden_layers=4, **changes).save_pretrained(tmp_path)
    with pytest.raises(NotAvailableError, match=rule):
        check_checkpoint(str(tmp_path), 64, layout)
    check_checkpoint(str(tmp_path), 64, Layout(data=2))


def test_a_checkpoint_is_cut_by_its_own_sizes(tmp_path: Path) -> None:
    from transformers import GPT2Config, Qwen3Config

    Qwen3Config(num_hidden_layers=3, num_attention_heads=6, num_key_value_heads=3).save_pretrained(tmp_path / "odd")
    with pytest.raises(ConfigError, match=r"must divide sizes\.kv_heads \(3\).*these are the sizes of"):
        check_checkpoint(str(tmp_path / "odd"), 64, Layout(tensor=2))
    with pytest.raises(ConfigError, match="the network has only 3 layers"):
        check_checkpoint(str(tmp_path / "odd"), 64, Layout(pipeline=4))
    GPT2Config().save_pretrained(tmp_path / "other")
    with pytest.raises(NotAvailableError, match="this is gpt2"):
        check_checkpoint(str(tmp_path / "other"), 64, Layout(tensor=2))


def test_a_damaged_checkpoint_is_named_before_workers_start(tmp_path: Path) -> None:
    config = validate(TrainConfig, {"input": "x", "output": "y"}).resolved()
    make_network(config, None, 300).save_pretrained(tmp_path)
    check_checkpoint(str(tmp_path), 64, Layout())
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:3000])
    with pytest.raises(InputError, match=r"from is .*model\.safetensors is damaged"):
        check_checkpoint(str(tmp_path), 64, Layout())
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(InputError, match=r"its config\.json is damaged"):
        check_checkpoint(str(tmp_path), 64, Layout())


def test_a_mistyped_path_is_no_name_at_hugging_face(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    with pytest.raises(InputError, match=r"from is 'runs/trian': no such folder"):
        find_checkpoint("runs/trian")
    assert find_checkpoint("Qwen/Qwen3-0.6B") == "Qwen/Qwen3-0.6B"
