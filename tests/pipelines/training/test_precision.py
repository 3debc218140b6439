"""Rotary positions stay exact in a network of bf16."""

from __future__ import annotations

import torch
from transformers import AutoModelForCausalLM

from actors.networks.build import build_config
from actors.networks.sizes import preset
from pipelines.training.precision import exact_positions


def test_positions_keep_their_frequencies_where_weights_are_cast() -> None:
    model = AutoModelForCausalLM.from_config(build_config("dense", preset("dense", "tiny"), 50))
    before = model.model.rotary_emb.inv_freq.clone()
    places = torch.tensor([[2000]])
    hidden = torch.zeros(1, 1, 256)
    expected = model.model.rotary_emb(hidden, places)[0]
    with exact_positions(model):
        model.bfloat16()
    assert model.lm_head.weight.dtype == torch.bfloat16
    assert torch.equal(model.model.rotary_emb.inv_freq, before)
    assert torch.equal(model.model.rotary_emb(hidden, places)[0], expected)
