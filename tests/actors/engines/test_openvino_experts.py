"""A mixture of experts against transformers' own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from openvino import opset15 as op
from transformers import Qwen3MoeConfig
from transformers.models.qwen3_moe.modeling_qwen3_moe import Qwen3MoeSparseMoeBlock

from actors.engines.openvino_architecture import Experts
from actors.engines.openvino_experts import Stacks, mixture

HIDDEN, INNER = 16, 12
# (experts, of which a token uses, shares scaled to one)
KINDS = [(6, 2, True), (6, 2, False), (4, 4, True), (5, 1, False), (1, 1, True)]


def reference(count: int, used: int, normalised: bool) -> Any:
    sizes = {"hidden_size": HIDDEN, "moe_intermediate_size": INNER, "num_experts": count, "num_experts_per_tok": used}
    block = Qwen3MoeSparseMoeBlock(Qwen3MoeConfig(**sizes, norm_topk_prob=normalised, experts_implementation="eager"))
    generator = torch.Generator().manual_seed(count)
    with torch.no_grad():
        for part in block.parameters():
            part.copy_(torch.randn(part.shape, generator=generator) * 0.5)
    return block.eval()


@pytest.fixture(scope="module")
def pair(compiled: Callable[..., Any]) -> Callable[..., tuple[Callable[..., list[np.ndarray]], Any]]:
    """pair(count, used, normalised): a mixture as a graph, and transformers' with the same weights."""
    made: dict[tuple[int, int, bool], tuple[Any, Any]] = {}

    def make(count: int, used: int, normalised: bool) -> tuple[Any, Any]:
        block = reference(count, used, normalised)
        gate_up = block.experts.gate_up_proj.detach()
        gate, up = (part.contiguous() for part in gate_up.chunk(2, dim=1))
        down, router = block.experts.down_proj.detach(), block.gate.weight.detach()

        def build(x: Any) -> list[Any]:
            stacks = Stacks(*(op.constant(part.numpy()) for part in (gate, up, down)))
            sizes = Experts(count, used, INNER, normalised)
            return [op.result(mixture(x, op.constant(router.numpy()), stacks, sizes))]

        return compiled(build, ("f32", [-1, -1, HIDDEN])), block

    def get(*kind: Any) -> tuple[Any, Any]:
        if kind not in made:
            made[kind] = make(*kind)
        return made[kind]

    return get


def assert_equal(graph: Any, block: Any, x: torch.Tensor) -> None:
    with torch.no_grad():
        expected = block(x).numpy()
    (found,) = graph(x.numpy())
    assert found.shape == tuple(x.shape)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@given(batch=st.integers(1, 3), length=st.integers(1, 9), seed=st.integers(0, 2**31))
@settings(max_examples=30)
def test_a_mixture_is_that_of_transformers(
    pair: Callable[..., Any], kind: tuple[int, int, bool], batch: int, length: int, seed: int
) -> None:
    """Tokens and experts in any number: most tests leave some experts without a token."""
    x = torch.randn(batch, length, HIDDEN, generator=torch.Generator().manual_seed(seed))
    assert_equal(*pair(*kind), x)


def test_tokens_that_all_go_to_the_same_experts_get_their_own_answers(pair: Callable[..., Any]) -> None:
    graph, block = pair(6, 2, True)
    x = torch.randn(1, 1, HIDDEN, generator=torch.Generator().manual_seed(3)) * torch.linspace(1, 1.1, 50)[:, None]
    _, _, chosen = block.gate(x)
    assert len(chosen.sort().values.unique(dim=0)) == 1
    assert_equal(graph, block, x)


@given(order=st.permutations(range(8)))
@settings(max_examples=30)
def test_the_order_of_tokens_changes_no_answer(pair: Callable[..., Any], order: list[int]) -> None:
    """Copies are sorted by their expert: each has to come back to its own token."""
    graph, _ = pair(6, 2, True)
    x = torch.randn(1, 8, HIDDEN, generator=torch.Generator().manual_seed(4)).numpy()
    np.testing.assert_allclose(graph(x[:, order])[0], graph(x)[0][:, order], rtol=1e-5, atol=1e-5)


def test_shares_are_scaled_to_one_only_where_the_network_does_so(pair: Callable[..., Any]) -> None:
    x = torch.randn(1, 4, HIDDEN, generator=torch.Generator().manual_seed(5))
    (scaled, block), (plain, _) = (pair(6, 2, normalised) for normalised in (True, False))
    probabilities = torch.softmax(x @ block.gate.weight.detach().T, -1)
    kept = probabilities.topk(2).values.sum(-1, keepdim=True).numpy()
    assert kept.min() < 0.9
    np.testing.assert_allclose(plain(x.numpy())[0], kept * scaled(x.numpy())[0], rtol=1e-4, atol=1e-5)
