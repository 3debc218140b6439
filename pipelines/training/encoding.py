"""From files to token files: each document once, split into training and validation by its content."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fsspec
import numpy as np

from danlu.progress import Stage
from pipelines.training.conversations import encode_conversation
from pipelines.training.order import IntArray
from pipelines.training.sources import Kind, conversation_text, held_out, read_conversations, read_texts
from pipelines.training.token_store import EncodedBatch, write_store
from pipelines.training.tokenizer import document_end, load_tokenizer, plain_text

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

SPLITS = ("train", "validation")
# Below this, starting Ray Data's workers takes longer than the encoding itself.
RAY_DATA_BYTES = 64 << 20
_DOCUMENTS = 512


@dataclass(frozen=True)
class EncodingPlan:
    """How input is encoded; the same in this process and in a Ray Data worker.

    `length` is the most tokens that a conversation may have; documents may be of any length.
    """

    kind: Kind
    tokenizer: str
    length: int
    validation_share: float


Encoded = tuple[dict[str, EncodedBatch], Counter[str]]


def encode_files(files: Sequence[str], plan: EncodingPlan, folder: Path, vocabulary: int, stage: Stage) -> Counter[str]:
    """Write `folder`/train and `folder`/validation; returns counts (`train_documents`, `too_long`, ...)."""
    counts: Counter[str] = Counter()
    masked = plan.kind == "chat"
    encoded = _through_ray_data(files, plan) if size_bytes(files) >= RAY_DATA_BYTES else _in_process(files, plan)
    with (
        write_store(folder / "train", vocabulary, masked) as train,
        write_store(folder / "validation", vocabulary, masked) as validation,
    ):
        for batches, found in encoded:
            train.append(batches["train"])
            validation.append(batches["validation"])
            counts.update(found)
            stage.advance(sum(len(batch.lengths) for batch in batches.values()))
    return counts


def encode_file(file: str, plan: EncodingPlan, tokenizer: PreTrainedTokenizerFast) -> Iterator[Encoded]:
    """Encode one file, some hundred documents at a time; each piece with its split and the counts of what happened."""
    if plan.kind == "text":
        texts = read_texts(file)
        while some := list(islice(texts, _DOCUMENTS)):
            yield _encode_texts(some, plan, tokenizer)
        return
    conversations = read_conversations(file)
    while several := list(islice(conversations, _DOCUMENTS)):
        yield _encode_conversations(several, plan, tokenizer)


def size_bytes(files: Sequence[str]) -> int:
    """Bytes of all `files` together."""
    total = 0
    for file in files:
        filesystem, path = fsspec.core.url_to_fs(file)
        total += filesystem.size(path)
    return total


def _encode_texts(texts: list[str], plan: EncodingPlan, tokenizer: PreTrainedTokenizerFast) -> Encoded:
    end = document_end(tokenizer)
    rows: dict[str, list[list[int]]] = {split: [] for split in SPLITS}
    for text, ids in zip(texts, plain_text(tokenizer, texts), strict=True):
        rows[SPLITS[held_out(text, plan.validation_share)]].append([*ids, end])
    batches = {split: EncodedBatch(_joined(found), _lengths(found)) for split, found in rows.items()}
    return batches, Counter({f"{split}_documents": len(found) for split, found in rows.items()})


def _encode_conversations(rows: list[Any], plan: EncodingPlan, tokenizer: PreTrainedTokenizerFast) -> Encoded:
    tokens: dict[str, list[Any]] = {split: [] for split in SPLITS}
    learnt: dict[str, list[Any]] = {split: [] for split in SPLITS}
    counts: Counter[str] = Counter()
    for row in rows:
        encoded = encode_conversation(tokenizer, row)
        # One token more than the network reads: the last is only predicted.
        kept = slice(0, plan.length + 1)
        counts["shortened"] += len(encoded.tokens) > plan.length + 1
        if not encoded.learnt[kept][1:].any():
            counts["nothing_to_learn"] += 1
            continue
        split = SPLITS[held_out(conversation_text(row), plan.validation_share)]
        tokens[split].append(encoded.tokens[kept])
        learnt[split].append(encoded.learnt[kept])
        counts[f"{split}_documents"] += 1
    batches = {
        split: EncodedBatch(_joined(tokens[split]), _lengths(tokens[split]), _joined(learnt[split]).astype(np.bool_))
        for split in SPLITS
    }
    return batches, counts


def _joined(rows: Sequence[Any]) -> IntArray:
    return np.concatenate([np.asarray(row, np.int64) for row in rows]) if rows else np.empty(0, np.int64)


def _lengths(rows: Sequence[Any]) -> IntArray:
    return np.array([len(row) for row in rows], np.int64)


def _in_process(files: Sequence[str], plan: EncodingPlan) -> Iterator[Encoded]:
    tokenizer = load_tokenizer(plan.tokenizer)
    for file in files:
        yield from encode_file(file, plan, tokenizer)


def _through_ray_data(files: Sequence[str], plan: EncodingPlan) -> Iterator[Encoded]:
    import ray.data

    context = ray.data.DataContext.get_current().copy()
    # The stores must not depend on which worker was faster.
    context.execution_options.preserve_order = True
    with ray.data.DataContext.current(context):
        rows = ray.data.from_items([{"file": file} for file in files], override_num_blocks=len(files))
        encoded = rows.map_batches(partial(_encode_rows, plan), batch_size=1)
        for row in encoded.iter_rows():
            yield row["encoded"]


def _encode_rows(plan: EncodingPlan, rows: dict[str, Any]) -> Iterator[dict[str, Any]]:
    tokenizer = load_tokenizer(plan.tokenizer)
    for file in rows["file"]:
        for encoded in encode_file(str(file), plan, tokenizer):
            cell = np.empty(1, dtype=object)
            cell[0] = encoded
            yield {"encoded": cell}
