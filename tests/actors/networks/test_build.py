"""Networks: configs that transformers builds, and parameter counts that agree with the real thing."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from transformers import AutoConfig, AutoModelForCausalLM

from actors.networks.blocks import KINDS, BlockKind
from actors.networks.build import architecture_of, build_config, sizes_of
from actors.networks.parameters import count_parameters
from actors.networks.sizes import PRESETS, Architecture, Sizes, preset

SLICES = {"slices": 2, "slices_per_token": 1, "slice_width": 8}
EXPERTS = {"experts": 2, "experts_per_token": 1, "expert_intermediate": 8}


def real_count(architecture: Architecture, sizes: Sizes, vocabulary: int) -> int:
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(build_config(architecture, sizes, vocabulary))
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize(
    ("architecture", "name"), [(kind, name) for kind, presets in PRESETS.items() for name in presets]
)
def test_the_formula_counts_what_the_model_has(architecture: Architecture, name: str) -> None:
    sizes = preset(architecture, name)
    assert count_parameters(sizes, 4096).total == real_count(architecture, sizes, 4096)


@settings(max_examples=15, deadline=None)
@given(
    layers=st.integers(1, 3),
    hidden=st.integers(8, 64),
    groups=st.integers(1, 3),
    kv_heads=st.integers(1, 3),
    half_head=st.integers(1, 8),
    tied=st.booleans(),
    experts=st.integers(0, 5),
    vocabulary=st.integers(10, 300),
)
def test_the_formula_holds_for_any_sizes(
    layers: int, hidden: int, groups: int, kv_heads: int, half_head: int, tied: bool, experts: int, vocabulary: int
) -> None:
    sizes = Sizes(
        layers=layers,
        hidden=hidden,
        intermediate=2 * hidden,
        heads=groups * kv_heads,
        kv_heads=kv_heads,
        head_dim=2 * half_head,
        tied_embeddings=tied,
        experts=experts,
        experts_per_token=min(2, experts),
        expert_intermediate=8 if experts else 0,
    )
    count = count_parameters(sizes, vocabulary)
    assert count.total == real_count("moe" if experts else "dense", sizes, vocabulary)
    assert count.active == count.total if experts <= 2 else count.active < count.total


def test_published_sizes_have_their_published_counts() -> None:
    assert count_parameters(preset("dense", "8b"), 151_936).total == pytest.approx(8.19e9, rel=0.005)
    mixture = count_parameters(preset("moe", "30b-a3b"), 151_936)
    assert (mixture.total, mixture.active) == (pytest.approx(30.5e9, rel=0.005), pytest.approx(3.35e9, rel=0.02))


@settings(max_examples=15, deadline=None)
@given(
    kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=4),
    eighths=st.integers(1, 4),
    choices=st.integers(1, 5),
    per_token=st.integers(1, 5),
    shared=st.sampled_from([0, 24]),
)
def test_the_formula_holds_for_any_mix_of_blocks(
    kinds: list[BlockKind], eighths: int, choices: int, per_token: int, shared: int
) -> None:
    more: dict[str, Any] = {"blocks": list(kinds)}
    per_token = min(choices, per_token)
    if "moe" in kinds:
        more |= {"experts": choices, "experts_per_token": per_token, "expert_intermediate": 20}
    if "sparse" in kinds:
        more |= {"slices": choices, "slices_per_token": per_token, "slice_width": 16, "shared_width": shared}
    base = {"hidden": 8 * eighths, "intermediate": 50, "heads": 4, "kv_heads": 2, "head_dim": 8}
    sizes = Sizes(layers=len(kinds), **base, **more)
    count = count_parameters(sizes, 100)
    assert count.total == real_count(sizes.architecture, sizes, 100)
    unused = sum({"dense": 0, "moe": 20, "sparse": 16}[kind] * (choices - per_token) for kind in kinds)
    assert count.total - count.active == 3 * sizes.hidden * unused


def test_a_mix_of_dense_and_moe_is_a_plain_qwen3_moe() -> None:
    experts = {"experts": 4, "experts_per_token": 2, "expert_intermediate": 16}
    shape = {"layers": 4, "hidden": 32, "intermediate": 64, "heads": 4, "kv_heads": 2, "head_dim": 8}
    sizes = Sizes(**shape, **experts, blocks="dense, moe")
    model = AutoModelForCausalLM.from_config(build_config("moe", sizes, 100))
    assert type(model).__name__ == "Qwen3MoeForCausalLM"
    assert [type(layer.mlp).__name__ for layer in model.model.layers] == ["Qwen3MoeMLP", "Qwen3MoeSparseMoeBlock"] * 2


@pytest.mark.parametrize("architecture", ["dense", "moe", "sparse"])
def test_a_config_survives_the_auto_classes(architecture: Architecture, tmp_path) -> None:
    build_config(architecture, preset(architecture, "tiny"), 500).save_pretrained(tmp_path)
    again = AutoConfig.from_pretrained(tmp_path)
    assert architecture_of(again) == architecture
    assert (again.vocab_size, again.hidden_size, again.tie_word_embeddings) == (500, 256, True)


def test_sizes_that_do_not_fit_the_architecture_are_refused() -> None:
    with pytest.raises(ValueError, match=r"sizes\.experts is 0: architecture moe"):
        build_config("moe", preset("dense", "tiny"), 500)
    with pytest.raises(ValueError, match="use architecture=moe"):
        build_config("dense", preset("moe", "tiny"), 500)
    with pytest.raises(ValueError, match=r"sizes\.slices is 0: architecture sparse needs at least one slice"):
        build_config("sparse", preset("moe", "tiny"), 500)
    with pytest.raises(ValueError, match="architecture moe needs at least one expert"):
        build_config("moe", preset("sparse", "tiny"), 500)
    with pytest.raises(ValueError, match="architecture dense has none; use architecture=sparse"):
        build_config("dense", preset("sparse", "tiny"), 500)
    with pytest.raises(ValueError, match="size is 'huge': dense has tiny"):
        preset("dense", "huge")


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"kv_heads": 3}, "multiple of sizes.kv_heads"),
        ({"head_dim": 7}, "must be even"),
        ({"experts": 2, "experts_per_token": 3, "expert_intermediate": 8}, "only 2 experts"),
        ({"experts": 2}, "must be given too"),
        ({"slices": 2, "slices_per_token": 3, "slice_width": 8}, "only 2 slices"),
        ({"slices": 2}, "must be given too"),
        ({"slices": 2, "slices_per_token": 1, "slice_width": 12}, "multiple of 8"),
        ({"shared_width": 8}, "there is no sparse layer"),
        ({**SLICES, "hidden": 20}, "with sparse layers it must be a multiple of 8"),
        ({**SLICES, **EXPERTS}, r"sizes\.blocks must say which layers"),
        ({**SLICES, **EXPERTS, "blocks": "moe, sparse", "layers": 2, "experts": 4}, "they must be equal"),
        ({"blocks": "moe"}, r"sizes\.blocks has moe layers: sizes\.experts must be given"),
        ({**SLICES, "blocks": "dense"}, r"sizes\.slices is 2, and no layer in sizes\.blocks is sparse"),
        ({"blocks": "dense*2"}, r"sizes\.layers \(1\) must be a multiple"),
    ],
)
def test_impossible_sizes_are_refused(change: dict[str, Any], rule: str) -> None:
    base = {"layers": 1, "hidden": 16, "intermediate": 16, "heads": 4, "kv_heads": 2, "head_dim": 8}
    with pytest.raises(ValidationError, match=rule):
        Sizes(**(base | change))


@pytest.mark.parametrize(
    ("architecture", "name"), [(kind, name) for kind, presets in PRESETS.items() for name in presets]
)
def test_the_sizes_of_a_config_are_those_it_was_built_from(architecture: Architecture, name: str) -> None:
    assert sizes_of(build_config(architecture, preset(architecture, name), 4096)) == preset(architecture, name)


@pytest.mark.parametrize("more", [EXPERTS | {"blocks": ["dense", "moe", "dense", "moe"]},
                                  SLICES | {"blocks": ["dense", "dense", "sparse", "sparse"], "shared_width": 8},
                                  SLICES | EXPERTS | {"blocks": ["moe", "sparse", "dense", "sparse"]}])  # fmt: skip
def test_the_sizes_of_a_mix_name_its_blocks(more: dict[str, Any]) -> None:
    sizes = Sizes(layers=4, hidden=32, intermediate=64, heads=4, kv_heads=2, head_dim=8, **more)
    assert sizes_of(build_config(sizes.architecture, sizes, 100)) == sizes


def test_the_sizes_of_another_architecture_are_not_guessed() -> None:
    with pytest.raises(ValueError, match="model_type is 'gpt2'"):
        sizes_of(AutoConfig.for_model("gpt2"))
