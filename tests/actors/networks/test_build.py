"""Networks: configs that transformers builds, and parameter counts that agree with the real thing."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from transformers import AutoConfig, AutoModelForCausalLM

from actors.networks.build import architecture_of, build_config, sizes_of
from actors.networks.parameters import count_parameters
from actors.networks.sizes import PRESETS, Architecture, Sizes, preset


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


@pytest.mark.parametrize("architecture", ["dense", "moe"])
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
    with pytest.raises(ValueError, match="size is 'huge': dense has tiny"):
        preset("dense", "huge")


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"kv_heads": 3}, "multiple of sizes.kv_heads"),
        ({"head_dim": 7}, "must be even"),
        ({"experts": 2, "experts_per_token": 3, "expert_intermediate": 8}, "only 2 experts"),
        ({"experts": 2}, "must be given too"),
    ],
)
def test_impossible_sizes_are_refused(change: dict[str, int], rule: str) -> None:
    base = {"layers": 1, "hidden": 16, "intermediate": 16, "heads": 4, "kv_heads": 2, "head_dim": 8}
    with pytest.raises(ValidationError, match=rule):
        Sizes(**(base | change))


@pytest.mark.parametrize(
    ("architecture", "name"), [(kind, name) for kind, presets in PRESETS.items() for name in presets]
)
def test_the_sizes_of_a_config_are_those_it_was_built_from(architecture: Architecture, name: str) -> None:
    assert sizes_of(build_config(architecture, preset(architecture, name), 4096)) == preset(architecture, name)


def test_the_sizes_of_another_architecture_are_not_guessed() -> None:
    with pytest.raises(ValueError, match="model_type is 'gpt2'"):
        sizes_of(AutoConfig.for_model("gpt2"))
