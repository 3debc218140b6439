from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import DynamicCache

from actors.engines.kv_batch import KvBatch, can_batch

LAYERS, HEADS, WIDTH = 2, 2, 3


def states(length: int, seed: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    return [
        tuple(torch.randn((1, HEADS, length, WIDTH), generator=generator) for _ in range(2))  # type: ignore[misc]
        for _ in range(LAYERS)
    ]


def cache_of(layers: list[tuple[torch.Tensor, torch.Tensor]]) -> DynamicCache:
    cache = DynamicCache()
    for number, (keys, values) in enumerate(layers):
        cache.update(keys, values, number)
    return cache


actions = st.lists(
    st.one_of(
        st.tuples(st.just("join"), st.integers(1, 9)),
        st.tuples(st.just("leave"), st.integers(0, 5)),
        st.tuples(st.just("token"), st.integers(1, 80)),
    ),
    max_size=12,
)


@settings(max_examples=60)
@given(actions)
def test_each_row_keeps_its_own_keys_and_values(steps: list[tuple[str, int]]) -> None:
    batch, expected, seed = KvBatch(), [], 0
    for action, number in steps:
        seed += 1
        if action == "join":
            layers = states(number, seed)
            batch.join(cache_of(layers))
            expected.append(layers)
        elif action == "leave" and number < len(expected):
            del expected[number]
            batch.keep([row for row in range(len(batch.lengths)) if row != number])
        elif action == "token" and expected:
            for _ in range(number):  # more than one buffer holds
                seed += 1
                new = [states(1, seed * 100 + row) for row in range(len(expected))]
                mask = batch.next_mask()
                assert mask is None or mask.shape == (len(expected), batch.columns + 1)
                for layer in range(LAYERS):
                    pair = [torch.cat([row[layer][part] for row in new]) for part in range(2)]
                    batch.cache.update(pair[0], pair[1], layer)
                batch.advanced()
                expected = [
                    [(torch.cat([k, nk], 2), torch.cat([v, nv], 2)) for (k, v), (nk, nv) in zip(row, more, strict=True)]
                    for row, more in zip(expected, new, strict=True)
                ]
        check(batch, expected)


def check(batch: KvBatch, expected: list[list[tuple[torch.Tensor, torch.Tensor]]]) -> None:
    assert batch.lengths == [row[0][0].shape[2] for row in expected]
    assert (batch.cache is None) == (not expected)
    if not expected:
        return
    mask = batch.next_mask()
    for row, layers in enumerate(expected):
        length = batch.lengths[row]
        if mask is not None:
            assert mask[row].tolist() == [0] * (batch.columns - length) + [1] * (length + 1)
        for layer, (keys, values) in zip(batch.cache.layers, layers, strict=True):
            assert layer.keys.shape[2] == batch.columns
            assert torch.equal(layer.keys[row, :, batch.columns - length :], keys[0])
            assert torch.equal(layer.values[row, :, batch.columns - length :], values[0])
            assert torch.isfinite(layer.values[row]).all()


def test_only_plain_keys_and_values_can_be_batched() -> None:
    from transformers import Qwen3Config
    from transformers.models.mistral.configuration_mistral import MistralConfig

    assert can_batch(cache_of(states(3, 0)))
    assert not can_batch(None)
    assert not can_batch(DynamicCache())
    windowed = DynamicCache(config=MistralConfig(num_hidden_layers=1, sliding_window=8))
    windowed.update(*states(3, 0)[0], 0)
    assert not can_batch(windowed)
    plain = DynamicCache(config=Qwen3Config(num_hidden_layers=1))
    plain.update(*states(3, 0)[0], 0)
    assert can_batch(plain)
