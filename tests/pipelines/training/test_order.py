"""The order of the data: every token once per epoch, the same for the same seed, wherever a run resumes."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipelines.training.mixture import Rotation
from pipelines.training.order import POOL_BATCHES, ConversationOrder, TextOrder, epoch_order

lengths_lists = st.lists(st.integers(1, 9), min_size=1, max_size=12)


def read(order: TextOrder, start: int, count: int) -> list[tuple[int, int]]:
    return [(piece.document, i) for piece in order.pieces(start, count) for i in range(piece.start, piece.stop)]


@given(lengths=lengths_lists, seed=st.integers(0, 99), epoch=st.integers(0, 3))
def test_an_epoch_of_text_holds_each_token_once_and_each_document_whole(lengths, seed, epoch) -> None:
    order = TextOrder(np.array(lengths), seed)
    tokens = read(order, epoch * order.epoch_tokens, order.epoch_tokens)
    expected = [(d, i) for d in epoch_order(seed, epoch, len(lengths)).tolist() for i in range(lengths[d])]
    assert tokens == expected
    assert sorted(tokens) == [(d, i) for d in range(len(lengths)) for i in range(lengths[d])]


@given(lengths=lengths_lists, seed=st.integers(0, 99), window=st.integers(1, 40), cut=st.integers(0, 60))
def test_the_stream_of_text_is_the_same_however_it_is_cut(lengths, seed, window, cut) -> None:
    whole = read(TextOrder(np.array(lengths), seed), 0, cut + window)
    resumed = TextOrder(np.array(lengths), seed)
    assert read(resumed, cut, window) == whole[cut:]
    assert read(resumed, 0, cut) == whole[:cut]


@given(lengths=st.lists(st.integers(1, 50), min_size=1, max_size=40), seed=st.integers(0, 99), batch=st.integers(1, 6))
def test_pools_of_conversations_are_whole_stretches_of_epochs(lengths, seed, batch) -> None:
    order = ConversationOrder(np.array(lengths), batch, seed)
    pool_batches = max(1, min(POOL_BATCHES, len(lengths) // batch))
    pools = 1 + 2 * len(lengths) // (batch * pool_batches)
    seen: Counter[int] = Counter()
    for step in range(pools * pool_batches):
        members = order.batch(step)
        assert len(members) == batch
        assert list(np.array(lengths)[members]) == sorted(np.array(lengths)[members])
        seen.update(members.tolist())
    epochs, rest = divmod(pools * pool_batches * batch, len(lengths))
    assert all(seen[i] in (epochs, epochs + bool(rest)) for i in range(len(lengths)))


@given(st.integers(0, 200))
def test_a_resumed_run_gets_the_batch_it_would_have_got(step: int) -> None:
    lengths = np.random.default_rng(3).integers(5, 90, size=37)
    straight = ConversationOrder(lengths, 4, seed=5)
    for earlier in range(step):
        straight.batch(earlier)
    assert straight.batch(step).tolist() == ConversationOrder(lengths, 4, seed=5).batch(step).tolist()


def test_batches_hold_conversations_of_similar_length() -> None:
    lengths = np.random.default_rng(0).integers(10, 200, size=512)
    order = ConversationOrder(lengths, 8, seed=0)
    padded = sum(8 * lengths[order.batch(step)].max() for step in range(64))
    assert padded < 1.15 * lengths.sum()


def test_epochs_and_seeds_differ() -> None:
    orders = {tuple(epoch_order(seed, epoch, 20)) for seed in range(3) for epoch in range(3)}
    assert len(orders) == 9


def test_a_batch_of_few_conversations_holds_no_copies() -> None:
    order = ConversationOrder(np.arange(10, 22), 4, seed=0)
    assert all(len(set(order.batch(step).tolist())) == 4 for step in range(3))


@given(
    sizes=st.lists(st.integers(1, 30), min_size=1, max_size=4),
    parts=st.lists(st.integers(1, 9), min_size=4, max_size=4),
    seed=st.integers(0, 99),
    batch=st.integers(1, 6),
)
def test_mixed_conversations_keep_their_shares_and_epochs(sizes, parts, seed, batch) -> None:
    """At every step the shares are those of the rotation; at every pool's end each group is within one epoch."""
    groups = np.split(np.arange(sum(sizes)), np.cumsum(sizes)[:-1])
    parts = parts[: len(sizes)]
    rotation, lengths = Rotation(parts), np.random.default_rng(seed).integers(1, 50, sum(sizes))
    order = ConversationOrder(lengths, batch, seed, rotation, groups)
    seen: Counter[int] = Counter()
    for step in range(40):
        members = order.batch(step)
        assert list(lengths[members]) == sorted(lengths[members])
        seen.update(members.tolist())
        counts = [sum(seen[i] for i in group.tolist()) for group in groups]
        assert counts == rotation.counts((step + 1) * batch).tolist()
        if (step + 1) % order._pool_batches == 0:
            for group, count in zip(groups, counts, strict=True):
                epochs, rest = divmod(count, len(group))
                assert all(seen[i] in (epochs, epochs + bool(rest)) for i in group.tolist())
    assert order.batch(17).tolist() == ConversationOrder(lengths, batch, seed, rotation, groups).batch(17).tolist()
