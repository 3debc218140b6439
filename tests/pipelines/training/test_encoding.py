"""Token files hold each document once, in the right split, whichever way they were made."""

from __future__ import annotations

import io
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

import pipelines.training.encoding as encoding
from danlu.progress import Progress
from pipelines.training.encoding import EncodingPlan, encode_files, size_bytes
from pipelines.training.sources import held_out, read_texts
from pipelines.training.token_store import EncodedBatch, TokenStore, write_store


def encode(files: list[str], plan: EncodingPlan, folder: Path) -> Counter[str]:
    with Progress(io.StringIO()).stage("tokens") as stage:
        return encode_files(files, plan, folder, vocabulary=400, stage=stage)


def decoded(store: TokenStore, tokenizer: PreTrainedTokenizerFast) -> list[str]:
    return [tokenizer.decode(store.tokens(i)) for i in range(len(store))]


def test_each_document_is_in_one_split_and_ends_with_the_end_token(
    text_file: Path, tokenizer: PreTrainedTokenizerFast, tokenizer_folder: Path, tmp_path: Path
) -> None:
    plan = EncodingPlan("text", str(tokenizer_folder), 64, validation_share=0.2)
    counts = encode([str(text_file)], plan, tmp_path)
    texts = list(read_texts(str(text_file)))
    for split, held in (("train", False), ("validation", True)):
        expected = [f"{text}<|endoftext|>" for text in texts if held_out(text, 0.2) == held]
        assert decoded(TokenStore(tmp_path / split), tokenizer) == expected
        assert counts[f"{split}_documents"] == len(expected) > 0


def test_ray_data_writes_the_same_files(
    text_file: Path, tokenizer_folder: Path, tmp_path: Path, ray_local: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = text_file.read_text(encoding="utf-8").splitlines(keepends=True)
    files = [tmp_path / f"part{i}.jsonl" for i in range(4)]
    for i, file in enumerate(files):
        file.write_text("".join(lines[i::4]), encoding="utf-8")
    plan = EncodingPlan("text", str(tokenizer_folder), 64, validation_share=0.1)
    counts = encode(list(map(str, files)), plan, tmp_path / "here")
    assert size_bytes(list(map(str, files))) < encoding.RAY_DATA_BYTES
    monkeypatch.setattr(encoding, "RAY_DATA_BYTES", 1)
    assert encode(list(map(str, files)), plan, tmp_path / "there") == counts
    for file in (f for f in (tmp_path / "here").rglob("*") if f.is_file()):
        assert (tmp_path / "there" / file.relative_to(tmp_path / "here")).read_bytes() == file.read_bytes()


def test_long_conversations_are_shortened_and_counted(tokenizer_folder: Path, tmp_path: Path) -> None:
    rows = [("短问", "短答"), ("问" * 200, "答不到"), ("问", "答" * 200)]
    chats = [[{"role": "user", "content": q}, {"role": "assistant", "content": a}] for q, a in rows]
    file = tmp_path / "chat.jsonl"
    file.write_text("".join(json.dumps({"messages": chat}) + "\n" for chat in chats))
    counts = encode([str(file)], EncodingPlan("chat", str(tokenizer_folder), 50, 0.0), tmp_path / "tokens")
    store = TokenStore(tmp_path / "tokens" / "train")
    assert (counts["train_documents"], counts["shortened"], counts["nothing_to_learn"]) == (2, 2, 1)
    assert store.lengths.max() == 51
    assert all(store.learnt(i).any() and len(store.learnt(i)) == store.lengths[i] for i in range(2))


@given(st.lists(st.lists(st.integers(0, 70_000), max_size=5), max_size=6), st.sampled_from([400, 70_001]))
def test_a_store_gives_back_what_was_written(tmp_path_factory, documents: list[list[int]], vocabulary: int) -> None:
    documents = [[token % vocabulary for token in document] for document in documents]
    folder = tmp_path_factory.mktemp("store")
    with write_store(folder, vocabulary, masked=False) as writer:
        for document in documents:
            writer.append(EncodedBatch(np.array(document, np.int64), np.array([len(document)], np.int64)))
    store = TokenStore(folder)
    assert [store.tokens(i).tolist() for i in range(len(store))] == documents
    assert all(
        store.tokens(i, 1, 3).tolist() == document[1:3] for i, document in enumerate(documents) if len(document) > 2
    )
