"""Which parameters are cut, and where."""

from __future__ import annotations

import re

import pytest
import torch
from transformers import AutoModelForCausalLM

from actors.networks.build import build_config
from actors.networks.sizes import Architecture, preset
from pipelines.training.shards import cut, join
from pipelines.training.tensor_parallel import tensor_shard


@pytest.mark.parametrize("architecture", ["dense", "moe"])
def test_every_matrix_of_a_layer_is_cut_and_joins_again(architecture: Architecture) -> None:
    config = build_config(architecture, preset(architecture, "tiny"), 100)
    model = AutoModelForCausalLM.from_config(config)
    kept = set()
    for name, parameter in model.named_parameters():
        shards = [tensor_shard(name, part, 2) for part in range(2)]
        parts = [cut(parameter.detach(), shard) for shard in shards]
        if shards[0].axis is None:
            kept.add(re.sub(r"^model\.(layers\.\d+\.)?", "", name))
        else:
            assert torch.equal(join(parts, shards[0]), parameter)
            assert all(part.numel() * 2 == parameter.numel() for part in parts)
            assert [shard.part for shard in shards] == [0, 1]
    whole = {"embed_tokens.weight", "norm.weight", "input_layernorm.weight", "post_attention_layernorm.weight"}
    whole |= {"self_attn.q_norm.weight", "self_attn.k_norm.weight"}
    assert kept == whole | ({"mlp.gate.weight"} if architecture == "moe" else set())
