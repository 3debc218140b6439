"""The sparse network: what its slices compute, how it decodes, and that transformers loads it without danlu."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM

from actors.networks.build import build_config, register_networks
from actors.networks.sizes import Sizes
from actors.networks.sparse_network import DanluSparseConfig, DanluSparseForCausalLM, SlicedFeedForward

SHAPE = {"layers": 3, "hidden": 32, "intermediate": 64, "heads": 4, "kv_heads": 2, "head_dim": 8, "context": 128}
SLICES = {"slices": 4, "slices_per_token": 2, "slice_width": 16, "shared_width": 8}
EXPERTS = {"experts": 4, "experts_per_token": 2, "expert_intermediate": 16}
MIXES: dict[str, dict[str, Any]] = {
    "sparse": SLICES,
    "dense and sparse": {**SLICES, "shared_width": 0, "blocks": "dense, sparse*2"},
    "all three": {**SLICES, **EXPERTS, "blocks": ["moe", "sparse", "dense"]},
}

# Loads a folder in a process that has no danlu, as someone would who was given the folder.
ELSEWHERE = """
import json, sys
class NoDanlu:
    def find_spec(self, name, *_):
        if name.partition(".")[0] in ("danlu", "actors", "pipelines"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, NoDanlu())
import torch
from transformers import AutoModelForCausalLM
model = AutoModelForCausalLM.from_pretrained(sys.argv[1], trust_remote_code=True).eval()
ids = torch.tensor([json.loads(sys.argv[2])])
print(json.dumps({"module": type(model).__module__, "logits": model(input_ids=ids).logits[0].tolist()}))
"""


@pytest.fixture(scope="module", params=MIXES)
def model(request: pytest.FixtureRequest) -> DanluSparseForCausalLM:
    sizes = Sizes(**SHAPE, **MIXES[request.param])
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(build_config(sizes.architecture, sizes, 100)).eval()


def make_block(seed: int, hidden: int = 16, **sizes: int) -> SlicedFeedForward:
    torch.manual_seed(seed)
    block = SlicedFeedForward(DanluSparseConfig(hidden_size=hidden, **sizes))
    for parameter in block.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return block


def as_defined(block: SlicedFeedForward, hidden: torch.Tensor, per_token: int) -> torch.Tensor:
    """Token by token and slice by slice."""
    rows = []
    for token in hidden.flatten(0, 1):
        scores = block.router.weight @ token
        chosen = scores.argsort(descending=True)[:per_token]
        total = torch.zeros_like(token) if block.shared is None else block.shared(token)
        for index, weight in zip(chosen, per_token * scores[chosen].softmax(0), strict=True):
            gate, up = (block.gate_up_proj[index] @ token).chunk(2)
            total = total + weight * (F.silu(gate) * up) @ block.down_proj[index]
        rows.append(total)
    return torch.stack(rows).view_as(hidden)


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 1000),
    slices=st.integers(1, 6),
    per_token=st.integers(1, 6),
    shared=st.sampled_from([0, 8]),
    shape=st.sampled_from([(1, 1), (2, 1), (1, 7), (3, 5)]),
)
def test_every_path_computes_the_definition(
    seed: int, slices: int, per_token: int, shared: int, shape: tuple[int, int]
) -> None:
    per_token = min(slices, per_token)
    block = make_block(seed, num_experts=slices, num_experts_per_tok=per_token, slice_width=8, shared_width=shared)
    hidden = torch.randn(*shape, 16)
    expected = as_defined(block, hidden, per_token)
    assert torch.allclose(block(hidden), expected, atol=1e-4, rtol=1e-4)
    with torch.inference_mode():  # one token is decoded on a path of its own
        assert torch.allclose(block(hidden), expected, atol=1e-4, rtol=1e-4)


def test_gradients_are_those_of_the_definition() -> None:
    block = make_block(1, num_experts=5, num_experts_per_tok=2, slice_width=8, shared_width=8)
    hidden = torch.randn(2, 6, 16)
    gradients = []
    for output in (block(hidden), as_defined(block, hidden, 2)):
        block.zero_grad()
        output.square().mean().backward()
        gradients.append({name: p.grad.clone() for name, p in block.named_parameters() if p.grad is not None})
    assert gradients[0].keys() == {name for name, _ in block.named_parameters()}
    for name, expected in gradients[1].items():
        assert torch.allclose(gradients[0][name], expected, atol=1e-5, rtol=1e-3), name


def test_equal_weights_give_the_undivided_network_of_the_chosen_neurons() -> None:
    block = make_block(2, num_experts=4, num_experts_per_tok=4, slice_width=8)
    torch.nn.init.zeros_(block.router.weight)
    hidden = torch.randn(1, 5, 16)
    gate, up = (part.flatten(0, 1) for part in block.gate_up_proj.chunk(2, dim=1))
    expected = (F.silu(hidden @ gate.T) * (hidden @ up.T)) @ block.down_proj.flatten(0, 1)
    assert torch.allclose(block(hidden), expected, atol=1e-4)


def test_decoding_with_a_cache_gives_the_logits_of_the_whole_sequence(model: DanluSparseForCausalLM) -> None:
    ids = torch.randint(0, 100, (1, 12))
    with torch.inference_mode():
        output = model(input_ids=ids[:, :7], use_cache=True)
        pieces = [output.logits]
        for place in range(7, 12):
            output = model(input_ids=ids[:, place : place + 1], past_key_values=output.past_key_values, use_cache=True)
            pieces.append(output.logits)
        assert torch.allclose(torch.cat(pieces, dim=1), model(input_ids=ids).logits, atol=1e-4)
        last = model(input_ids=ids, logits_to_keep=2).logits
        assert last.shape[1] == 2 and torch.allclose(last, model(input_ids=ids).logits[:, -2:], atol=1e-4)


def test_generation_is_greedy_search_over_those_logits(model: DanluSparseForCausalLM) -> None:
    ids = torch.randint(0, 100, (1, 5))
    answer = model.generate(ids, max_new_tokens=6, do_sample=False, eos_token_id=None)
    for place in range(5, 11):
        assert answer[0, place] == model(input_ids=answer[:, :place]).logits[0, -1].argmax()


def test_the_scores_of_all_routers_are_given_on_demand(model: DanluSparseForCausalLM) -> None:
    ids = torch.randint(0, 100, (2, 5))
    routed = [kind for kind in model.config.layer_kinds if kind != "dense"]
    scores = model(input_ids=ids, output_router_logits=True).router_logits
    assert [tuple(score.shape) for score in scores] == [(10, 4)] * len(routed)
    assert model(input_ids=ids).router_logits is None


def test_labels_give_the_mean_cross_entropy(model: DanluSparseForCausalLM) -> None:
    ids = torch.randint(0, 100, (2, 9))
    output = model(input_ids=ids, labels=ids)
    expected = F.cross_entropy(output.logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten())
    assert output.loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_transformers_loads_a_checkpoint_where_danlu_is_not_installed(
    model: DanluSparseForCausalLM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "checkpoint"
    model.save_pretrained(folder)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))  # where transformers keeps the code that it copies
    command = [sys.executable, "-I", "-c", ELSEWHERE, str(folder), json.dumps([3, 14, 15, 92])]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["module"].startswith("transformers_modules.")
    expected = model(input_ids=torch.tensor([[3, 14, 15, 92]])).logits[0]
    assert torch.allclose(torch.tensor(found["logits"]), expected, atol=1e-5)


def test_danlu_loads_a_checkpoint_with_its_own_code(model: DanluSparseForCausalLM, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path)
    register_networks()
    again = AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    assert type(again) is DanluSparseForCausalLM
    ids = torch.tensor([[1, 2, 3]])
    assert torch.allclose(again(input_ids=ids).logits, model(input_ids=ids).logits, atol=1e-5)


def test_a_layer_of_unknown_kind_is_refused() -> None:
    config = DanluSparseConfig(hidden_size=16, num_attention_heads=2, num_hidden_layers=1, layer_kinds=["thin"])
    with pytest.raises(ValueError, match=r"layer_kinds has 'thin': a layer is dense, moe or sparse"):
        DanluSparseForCausalLM(config)
