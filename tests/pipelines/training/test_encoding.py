"""Token files hold each document once, in the right split, whichever way they were made."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

import pipelines.training.encoding as encoding
from danlu.errors import InputError
from danlu.progress import Progress
from pipelines.training.encoding import EncodingPlan, encode_files
from pipelines.training.input_shards import plan_shards
from pipelines.training.sources import held_out
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
    texts = [json.loads(line)["text"] for line in text_file.read_text(encoding="utf-8").splitlines()]
    for split, held in (("train", False), ("validation", True)):
        expected = [f"{text}<|endoftext|>" for text in texts if held_out(text, 0.2) == held]
        assert decoded(TokenStore(tmp_path / split), tokenizer) == expected
        assert counts[f"{split}_documents"] == len(expected) > 0


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding, "plan_shards", partial(plan_shards, shard_bytes=2000))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_ray_data_writes_the_same_files(
    text_file: Path,
    tokenizer: PreTrainedTokenizerFast,
    tokenizer_folder: Path,
    tmp_path: Path,
    ray_local: None,
    small_shards: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plan = EncodingPlan("text", str(tokenizer_folder), 64, validation_share=0.1)
    counts = encode([str(text_file)], plan, tmp_path / "here")
    monkeypatch.setattr(encoding, "RAY_DATA_BYTES", 1)
    assert encode([str(text_file)], plan, tmp_path / "there") == counts
    assert contents(tmp_path / "here") == contents(tmp_path / "there")
    assert len(list((tmp_path / "here" / "shards").iterdir())) > 4
    texts = [json.loads(line)["text"] for line in text_file.read_text(encoding="utf-8").splitlines()]
    store = TokenStore(tmp_path / "there" / "train")
    assert decoded(store, tokenizer) == [f"{text}<|endoftext|>" for text in texts if not held_out(text, 0.1)]


KILLED = """
import os, signal, sys
from functools import partial
from pathlib import Path
import pipelines.training.encoding as encoding
from danlu.progress import Progress
from pipelines.training.input_shards import InputShard, plan_shards
whole, done = encoding.write_part, []
def write_part(*arguments):
    done.append(arguments)
    if len(done) == 6:  # the second split of the third shard
        os.kill(os.getpid(), signal.SIGKILL)
    return whole(*arguments)
encoding.write_part = write_part
encoding.plan_shards = partial(plan_shards, shard_bytes=2000)
plan = encoding.EncodingPlan("text", sys.argv[2], 64, 0.1)
with Progress().stage("tokens") as stage:
    encoding.encode_files([sys.argv[1]], plan, Path(sys.argv[3]), 400, stage)
"""


def test_a_killed_run_encodes_only_what_is_missing(
    text_file: Path, tokenizer_folder: Path, tmp_path: Path, small_shards: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = [str(text_file), str(tokenizer_folder), str(tmp_path / "killed")]
    killed = subprocess.run([sys.executable, "-c", KILLED, *arguments], capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    finished = sorted(folder.name for folder in (tmp_path / "killed" / "shards").iterdir() if folder.suffix == "")
    assert finished == ["00000", "00001"]
    encoded: list[int] = []
    encode_shard = encoding.encode_shard
    monkeypatch.setattr(
        encoding, "encode_shard", lambda shard, *a: encoded.append(shard.number) or encode_shard(shard, *a)
    )
    plan = EncodingPlan("text", str(tokenizer_folder), 64, validation_share=0.1)
    counts = encode([str(text_file)], plan, tmp_path / "killed")
    assert encoded[0] == 2 and encoded == list(range(2, encoded[-1] + 1))
    assert counts == encode([str(text_file)], plan, tmp_path / "whole")
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


def test_a_mixture_takes_and_counts_domains(tokenizer_folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    domains = ["law", "art", "spam", "law", "", "art"]
    file.write_text("".join(json.dumps({"text": f"第{i}篇", "domain": d}) + "\n" for i, d in enumerate(domains)))
    plan = EncodingPlan("text", str(tokenizer_folder), 64, 0.0, mixture={"law": 0.5, "spam": 0, "*": 0.5})
    counts = encode([str(file)], plan, tmp_path / "tokens")
    store = TokenStore(tmp_path / "tokens" / "train")
    assert [store.members(group).tolist() for group in range(3)] == [[0, 2], [], [1, 3, 4]]
    assert counts["left_out_by_mixture"] == 1 and counts["domain:law"] == 2 and counts["domain:"] == 1
    assert store.origin(3) == f"{file} line 5"
    named = EncodingPlan("text", str(tokenizer_folder), 64, 0.0, mixture={"books": 1.0}, names={str(file): "books"})
    encode([str(file)], named, tmp_path / "named")
    assert TokenStore(tmp_path / "named" / "train").members(0).tolist() == list(range(6))
    file.write_text('{"text": "无"}\n')
    with pytest.raises(InputError, match=r"a\.jsonl has no column `domain`"):
        encode([str(file)], plan, tmp_path / "none")


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


def test_calls_that_the_template_does_not_know_are_refused(tokenizer_folder: Path, tmp_path: Path) -> None:
    call = {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "f", "arguments": {}}}]}
    file = tmp_path / "chat.jsonl"
    file.write_text(json.dumps({"messages": [{"role": "user", "content": "问"}, call]}) + "\n")
    with pytest.raises(InputError, match=r"chat\.jsonl line 1 has `tool_calls`: the tokenizer's chat template does"):
        encode([str(file)], EncodingPlan("chat", str(tokenizer_folder), 50, 0.0), tmp_path / "tokens")
