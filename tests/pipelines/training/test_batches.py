"""Batches: targets follow inputs, padding is never learnt, and workers share a step without overlap."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.training.batches import (
    IGNORED,
    ConversationSamples,
    Sample,
    TextSamples,
    collate,
    count_inputs,
    count_targets,
    open_samples,
    share,
    validation_samples,
)
from pipelines.training.token_store import EncodedBatch, TokenStore, write_store


@pytest.fixture
def text_store(tmp_path: Path) -> TokenStore:
    lengths = np.array([7, 3, 11, 2, 9])
    with write_store(tmp_path / "text", 400, masked=False) as writer:
        writer.append(EncodedBatch(np.arange(lengths.sum()), lengths))
    return TokenStore(tmp_path / "text")


@pytest.fixture
def chat_store(tmp_path: Path) -> TokenStore:
    lengths = np.array([4, 6, 5])
    learnt = np.array([0, 0, 1, 1, 0, 0, 0, 0, 1, 1, 0, 1, 1, 0, 1], bool)
    with write_store(tmp_path / "chat", 400, masked=True) as writer:
        writer.append(EncodedBatch(np.arange(100, 115), lengths, learnt))
    return TokenStore(tmp_path / "chat")


def test_every_token_of_an_epoch_is_a_target_once(text_store: TokenStore) -> None:
    samples = TextSamples(text_store, sequences=4, length=4, seed=1)
    flat = np.concatenate([sample.targets for step in range(2) for sample in samples.step(step)])
    first = samples.step(0)[0].inputs[0]
    assert sorted([first, *flat[:31]]) == list(range(32))
    window = samples.step(1)[2]
    assert window.inputs[1:].tolist() == window.targets[:-1].tolist()


def test_only_the_assistants_tokens_are_targets(chat_store: TokenStore) -> None:
    sample = ConversationSamples(chat_store, 1, seed=0).conversation(2)
    assert sample.inputs.tolist() == [110, 111, 112, 113]
    assert sample.targets.tolist() == [111, 112, IGNORED, 114]


def test_padding_is_not_learnt_and_useless_columns_are_known(chat_store: TokenStore) -> None:
    samples = ConversationSamples(chat_store, 1, seed=0)
    batch = collate([samples.conversation(0), samples.conversation(1)])
    assert batch.inputs.tolist() == [[100, 101, 102, 0, 0], [104, 105, 106, 107, 108]]
    assert batch.targets.tolist() == [[IGNORED, 102, 103, IGNORED, IGNORED], [IGNORED] * 3 + [108, 109]]
    assert batch.real.sum(axis=1).tolist() == [3, 5]
    assert batch.first_target == 1


samples_lists = st.lists(
    st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=1, max_size=6).map(
        lambda pairs: Sample(np.array([a for a, _ in pairs]), np.array([a if b else IGNORED for a, b in pairs]))
    ),
    min_size=1,
    max_size=12,
)


@given(samples=samples_lists, workers=st.integers(1, 4), micro=st.integers(1, 5))
def test_workers_share_a_step_without_loss_or_overlap(samples: list[Sample], workers: int, micro: int) -> None:
    batches = [batch for rank in range(workers) for batch in share(samples, rank, workers, micro)]
    rows = sorted(batch.inputs[i][batch.real[i]].tolist() for batch in batches for i in range(len(batch.inputs)))
    assert rows == sorted(sample.inputs.tolist() for sample in samples)
    assert sum(int((batch.targets != IGNORED).sum()) for batch in batches) == count_targets(samples)
    assert sum(int(batch.real.sum()) for batch in batches) == count_inputs(samples)
    assert all((batch.targets[:, : batch.first_target] == IGNORED).all() for batch in batches)


def test_validation_samples_are_each_token_once(text_store: TokenStore, chat_store: TokenStore) -> None:
    windows = validation_samples(text_store, "text", length=6, at_most=100)
    assert len(windows) == 5 and len(np.unique(np.concatenate([w.targets for w in windows]))) == 30
    assert len(validation_samples(text_store, "text", length=100, at_most=9)) == 1
    assert len(validation_samples(chat_store, "chat", length=6, at_most=2)) == 2


def test_an_empty_split_has_no_samples(tmp_path: Path) -> None:
    with write_store(tmp_path, 400, masked=False):
        pass
    assert validation_samples(TokenStore(tmp_path), "text", length=8, at_most=5) == []


def test_samples_of_a_store_follow_its_kind(text_store: TokenStore, chat_store: TokenStore) -> None:
    assert len(open_samples(text_store, "text", 3, 4, seed=0).step(0)) == 3
    assert [len(s.inputs) for s in open_samples(chat_store, "chat", 3, 4, seed=0).step(0)] == [3, 4, 5]


@pytest.fixture(scope="module")
def mixed_store(tmp_path_factory: pytest.TempPathFactory) -> TokenStore:
    """Two groups: documents 0, 2, 4 (tokens 0..20) and 1, 3 (tokens from 100)."""
    folder = tmp_path_factory.mktemp("mixed")
    lengths, groups = np.array([7, 3, 6, 5, 8]), np.array([0, 1, 0, 1, 0])
    starts = {0: 0, 1: 100}
    tokens = []
    for length, group in zip(lengths, groups, strict=True):
        tokens += range(starts[group], starts[group] + length)
        starts[group] += length
    with write_store(folder, 400, masked=False) as writer:
        writer.append(EncodedBatch(np.array(tokens), lengths, rows=np.arange(1, 6), groups=groups))
    return TokenStore(folder)


@given(
    parts=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    seed=st.integers(0, 50),
    sequences=st.integers(1, 5),
    length=st.integers(1, 9),
)
def test_in_a_mixture_each_group_has_epochs_of_its_own(mixed_store: TokenStore, parts, seed, sequences, length) -> None:
    """Each sequence is of one group, by turns; within a group's epoch each token is a target once."""
    samples = open_samples(mixed_store, "text", sequences, length, seed, parts)
    streams: dict[int, list[int]] = {0: [], 1: []}
    for step in range(30):
        for sample, documents in zip(samples.step(step), samples.documents(step), strict=True):
            (group,) = {int(token >= 100) for token in sample.inputs.tolist()}
            assert {document % 2 for document in documents} == {group}
            streams[group] += sample.inputs.tolist()
    for group, size in ((0, 21), (1, 8)):
        full = len(streams[group]) // size * size
        for start in range(0, full, size):
            assert len(set(streams[group][start : start + size])) == size
    total = 30 * sequences
    assert abs(len(streams[0]) / length - total * parts[0] / sum(parts)) < 1
    assert [s.inputs.tolist() for s in samples.step(11)] == [
        s.inputs.tolist() for s in open_samples(mixed_store, "text", sequences, length, seed, parts).step(11)
    ]


def test_a_mixture_is_validated_in_its_shares_as_long_as_each_group_lasts(mixed_store: TokenStore) -> None:
    windows = validation_samples(mixed_store, "text", length=2, at_most=100, parts=[1, 3])
    groups = [int(window.inputs[0] >= 100) for window in windows]
    assert sorted(groups[:4]) == [0, 1, 1, 1] and groups[4:] == [0] * 9
    assert len(windows) == 10 + 3
    assert len(np.unique(np.concatenate([window.targets for window in windows]))) == 26


def test_a_document_is_known_by_where_it_was_read(mixed_store: TokenStore) -> None:
    assert [mixed_store.origin(document) for document in (0, 4)] == ["row 1", "row 5"]
