"""Each block of a decoder against transformers' own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from openvino import opset15 as op
from transformers import Qwen3Config
from transformers.models.qwen3 import modeling_qwen3 as reference

from actors.engines import openvino_blocks as blocks

Graph = Callable[..., list[np.ndarray]]
SIZES = {"hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8}
HEADS, KV_HEADS, SIZE = 4, 2, 8
YARN = {"rope_type": "yarn", "factor": 4.0, "rope_theta": 1e4, "original_max_position_embeddings": 64}


def random(*shape: int, seed: int = 0, scale: float = 1.0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * scale


def config(**changed: Any) -> Qwen3Config:
    made = Qwen3Config(**{**SIZES, "num_hidden_layers": 1, "vocab_size": 10, **changed})
    made._attn_implementation = "eager"
    return made


def weight(of: torch.Tensor) -> Any:
    return op.constant(of.detach().numpy())


def assert_equal(found: np.ndarray, expected: torch.Tensor) -> None:
    np.testing.assert_allclose(found, expected.detach().numpy(), rtol=1e-5, atol=1e-5)


@pytest.fixture(scope="module")
def norm(compiled: Callable[..., Graph]) -> Graph:
    return compiled(lambda x, by: [op.result(blocks.rms_norm(x, by, 1e-6))], ("f32", [-1, -1, 32]), ("f32", [32]))


@given(scale=st.floats(1e-4, 1e4), seed=st.integers(0, 2**31))
def test_a_norm_is_that_of_transformers_at_every_scale(norm: Graph, scale: float, seed: int) -> None:
    expected = reference.Qwen3RMSNorm(32, 1e-6)
    expected.weight.data = random(32, seed=seed)
    x = random(2, 3, 32, seed=seed + 1, scale=scale)
    assert_equal(norm(x.numpy(), expected.weight.detach().numpy())[0], expected(x))


def test_a_norm_of_zeros_is_zero(norm: Graph) -> None:
    assert not norm(np.zeros((1, 1, 32), np.float32), np.ones(32, np.float32))[0].any()


@pytest.mark.parametrize("biased", [True, False])
def test_a_projection_is_that_of_torch_and_keeps_its_name(compiled: Callable[..., Graph], biased: bool) -> None:
    expected = torch.nn.Linear(32, 48, bias=biased)
    names: list[str] = []

    def build(x: Any) -> list[Any]:
        bias = weight(expected.bias) if biased else None
        made = blocks.linear(x, weight(expected.weight), bias, "layers.0.q_proj")
        names.append((made.input_value(0).get_node() if biased else made).get_friendly_name())
        return [op.result(made)]

    x = random(2, 3, 32)
    assert_equal(compiled(build, ("f32", [-1, -1, 32]))(x.numpy())[0], expected(x))
    assert names == ["layers.0.q_proj"], "adapters find a projection by its name"


@pytest.fixture(scope="module")
def rotated(compiled: Callable[..., Graph]) -> Callable[[str], Graph]:
    """rotated(kind): queries and keys of the positions turned as by a kind of rotary embedding."""

    def make(kind: str) -> Graph:
        expected = reference.Qwen3RotaryEmbedding(rope(kind))

        def build(query: Any, key: Any, positions: Any) -> list[Any]:
            rotary = blocks.rotary(positions, expected.inv_freq.numpy(), expected.attention_scaling)
            return [op.result(rotary.rotate(query)), op.result(rotary.rotate(key))]

        shape = [-1, -1, -1, SIZE]
        return compiled(build, ("f32", shape), ("f32", shape), ("i64", [-1, -1]))

    graphs = {kind: make(kind) for kind in ("default", "yarn")}
    return graphs.__getitem__


def rope(kind: str) -> Qwen3Config:
    return config(rope_parameters=YARN) if kind == "yarn" else config()


@pytest.mark.parametrize("kind", ["default", "yarn"])
@given(positions=st.lists(st.lists(st.integers(0, 255), min_size=3, max_size=3), min_size=1, max_size=3))
@settings(max_examples=30)
def test_any_positions_are_turned_as_in_transformers(
    rotated: Callable[[str], Graph], kind: str, positions: list[list[int]]
) -> None:
    """Also those that do not rise by one, and others in each sequence."""
    at = torch.tensor(positions)
    query, key = random(len(at), HEADS, 3, SIZE), random(len(at), KV_HEADS, 3, SIZE, seed=1)
    cos, sin = reference.Qwen3RotaryEmbedding(rope(kind))(query, at)
    expected = reference.apply_rotary_pos_emb(query, key, cos, sin)
    for found, wanted in zip(rotated(kind)(query.numpy(), key.numpy(), at.numpy()), expected, strict=True):
        assert_equal(found, wanted)


@pytest.mark.parametrize("position", [4096, 32_768, 131_071])
def test_far_positions_are_turned_as_in_transformers(rotated: Callable[[str], Graph], position: int) -> None:
    at = torch.tensor([[position - 1, position]])
    query, key = random(1, HEADS, 2, SIZE), random(1, KV_HEADS, 2, SIZE, seed=1)
    cos, sin = reference.Qwen3RotaryEmbedding(rope("default"))(query, at)
    expected = reference.apply_rotary_pos_emb(query, key, cos, sin)
    for found, wanted in zip(rotated("default")(query.numpy(), key.numpy(), at.numpy()), expected, strict=True):
        assert_equal(found, wanted)


@given(shift=st.integers(0, 200), apart=st.integers(0, 50))
@settings(max_examples=30)
def test_scores_depend_on_the_distance_alone(rotated: Callable[[str], Graph], shift: int, apart: int) -> None:
    """What a rotary embedding is for (Su et al., 2021, eq. 11)."""
    query, key = random(1, 1, 2, SIZE), random(1, 1, 2, SIZE, seed=1)

    def score(start: int) -> float:
        q, k = rotated("default")(query.numpy(), key.numpy(), np.array([[start, start + apart]]))
        return float(q[0, 0, 1] @ k[0, 0, 0])

    assert score(shift) == pytest.approx(score(0), abs=1e-4)


@pytest.fixture(scope="module")
def mask(compiled: Callable[..., Graph]) -> Graph:
    return compiled(lambda ids, seen: [op.result(blocks.causal_mask(ids, seen))], *[("i64", [-1, -1])] * 2)


@given(data=st.data(), new=st.integers(1, 5), before=st.integers(0, 5), batch=st.integers(1, 3))
def test_a_token_looks_at_itself_and_what_came_before_and_is_not_padding(
    mask: Graph, data: st.DataObject, new: int, before: int, batch: int
) -> None:
    row = st.lists(st.integers(0, 1), min_size=new + before, max_size=new + before)
    seen = np.array(data.draw(st.lists(row, min_size=batch, max_size=batch)), np.int64)
    (found,) = mask(np.zeros((batch, new), np.int64), seen)
    assert found.shape == (batch, 1, new, before + new)
    lowest = np.finfo(np.float32).min
    for sequence, query, key in np.ndindex(batch, new, before + new):
        visible = key <= before + query and seen[sequence, key]
        assert found[sequence, 0, query, key] == (0.0 if visible else lowest)


def test_a_cache_grows_and_follows_its_beams(compiled: Callable[..., Graph]) -> None:
    """Seen through attention, into which the processor's plugin fuses it."""

    def build(query: Any, key: Any, value: Any, beams: Any) -> list[Any]:
        keys, key_sink = blocks.cache(key, beams, "past.key")
        values, value_sink = blocks.cache(value, beams, "past.value")
        return [op.result(blocks.attention(query, keys, values, blocks.scalar(0.0))), key_sink, value_sink]

    shape = [-1, KV_HEADS, -1, SIZE]
    step = compiled(build, ("f32", [-1, HEADS, -1, SIZE]), ("f32", shape), ("f32", shape), ("i32", [-1]))
    keys = values = torch.empty(2, KV_HEADS, 0, SIZE)
    for at, (length, beams) in enumerate([(3, [0, 1]), (1, [1, 0]), (2, [0, 0])]):
        query = random(2, HEADS, length, SIZE, seed=at)
        key, value = (random(2, KV_HEADS, length, SIZE, seed=10 * at + part) for part in (1, 2))
        keys, values = torch.cat([keys[beams], key], 2), torch.cat([values[beams], value], 2)
        mixed = torch.nn.functional.scaled_dot_product_attention(query, keys, values, enable_gqa=True)
        expected = mixed.transpose(1, 2).reshape(2, length, HEADS * SIZE)
        assert_equal(step(query.numpy(), key.numpy(), value.numpy(), np.array(beams, np.int32))[0], expected)


@pytest.mark.parametrize("times", [1, 2, 3])
def test_heads_are_repeated_as_in_transformers(compiled: Callable[..., Graph], times: int) -> None:
    shape = [-1, KV_HEADS, -1, SIZE]
    repeat = compiled(lambda x: [op.result(blocks.repeat_heads(x, times))], ("f32", shape))
    x = random(2, KV_HEADS, 5, SIZE)
    np.testing.assert_array_equal(repeat(x.numpy())[0], reference.repeat_kv(x, times).numpy())


def test_heads_are_split_and_joined_without_loss(compiled: Callable[..., Graph]) -> None:
    def build(x: Any) -> list[Any]:
        first = blocks.heads_first(blocks.split_heads(x, HEADS, SIZE))
        return [op.result(first), op.result(blocks.heads_first(first))]

    x = random(2, 3, HEADS * SIZE).numpy()
    first, back = compiled(build, ("f32", [-1, -1, HEADS * SIZE]))(x)
    np.testing.assert_array_equal(first[1, 2, 0], x[1, 0, 2 * SIZE : 3 * SIZE])
    np.testing.assert_array_equal(back.reshape(x.shape), x)


@pytest.fixture(scope="module")
def layer() -> Any:
    """Attention of transformers with all its parts: norms of heads, grouped queries, rotary embedding."""
    torch.manual_seed(0)
    made = reference.Qwen3Attention(config(), 0)
    with torch.no_grad():
        for part in made.parameters():
            part.copy_(torch.randn_like(part) * 0.3)
    return made.eval()


@pytest.fixture(scope="module")
def attend(compiled: Callable[..., Graph], layer: Any) -> Graph:
    """The same attention, put together of blocks."""

    def build(x: Any, positions: Any, seen: Any) -> list[Any]:
        def heads(name: str, count: int) -> Any:
            projected = blocks.linear(x, weight(getattr(layer, f"{name}_proj").weight), None, name)
            split = blocks.split_heads(projected, count, SIZE)
            if name != "v":
                split = blocks.rms_norm(split, weight(getattr(layer, f"{name}_norm").weight), 1e-6)
            return blocks.heads_first(split)

        frequencies = reference.Qwen3RotaryEmbedding(config()).inv_freq.numpy()
        rotary = blocks.rotary(positions, frequencies, 1.0)
        query, key = rotary.rotate(heads("q", HEADS)), rotary.rotate(heads("k", KV_HEADS))
        mixed = blocks.attention(query, key, heads("v", KV_HEADS), blocks.causal_mask(positions, seen))
        return [op.result(blocks.linear(mixed, weight(layer.o_proj.weight), None, "o"))]

    return compiled(build, ("f32", [-1, -1, 32]), ("i64", [-1, -1]), ("i64", [-1, -1]))


@given(
    seed=st.integers(0, 2**31),
    lengths=st.lists(st.integers(1, 7), min_size=1, max_size=3),
)
@settings(max_examples=30)
def test_attention_is_that_of_transformers(attend: Graph, layer: Any, seed: int, lengths: Sequence[int]) -> None:
    """A batch of sequences of several lengths, the shorter ones padded on their right."""
    batch, length = len(lengths), max(lengths)
    x = random(batch, length, 32, seed=seed)
    positions = torch.arange(length).expand(batch, -1)
    seen = (positions < torch.tensor(lengths)[:, None]).long()
    causal = torch.tril(torch.ones(length, length)).bool()[None, None] & seen.bool()[:, None, None]
    added = torch.where(causal, 0.0, torch.finfo(torch.float32).min)
    with torch.no_grad():
        expected, _ = layer(x, reference.Qwen3RotaryEmbedding(config())(x, positions), added)
    (found,) = attend(x.numpy(), positions.contiguous().numpy(), seen.numpy())
    for sequence, own in enumerate(lengths):
        assert_equal(found[sequence, :own], expected[sequence, :own])


def test_a_gated_mlp_is_that_of_transformers(compiled: Callable[..., Graph]) -> None:
    torch.manual_seed(0)
    expected = reference.Qwen3MLP(config())

    def build(x: Any) -> list[Any]:
        gate, up = (blocks.linear(x, weight(part.weight), None, "x") for part in (expected.gate_proj, expected.up_proj))
        return [op.result(blocks.linear(blocks.gated(gate, up), weight(expected.down_proj.weight), None, "down"))]

    x = random(2, 3, 32, scale=5.0)
    assert_equal(compiled(build, ("f32", [-1, -1, 32]))(x.numpy())[0], expected(x))
