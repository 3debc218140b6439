"""From files to token files: each document once, split into training and validation by its content.

Work is done shard by shard. A finished shard is a folder of its own, so a run that was killed goes on with the others.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from danlu.errors import InputError
from danlu.progress import Stage
from pipelines.training.conversations import encode_conversation, unknown_to_template
from pipelines.training.input_shards import InputShard, plan_shards
from pipelines.training.mixture import IntArray, group_of
from pipelines.training.sources import Document, Kind, held_out, read_documents, text_of
from pipelines.training.token_store import EncodedBatch, PartOrigin, join_parts, write_part
from pipelines.training.tokenizer import document_end, load_tokenizer, plain_text

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

SPLITS = ("train", "validation")
# Below this, starting Ray Data's workers takes longer than the encoding itself.
RAY_DATA_BYTES = 64 << 20
_DOCUMENTS = 512
_FACTS = "facts.json"
DOMAIN = "domain:"  # before a domain's name, in the counts

Encoded = tuple[dict[str, EncodedBatch], Counter[str]]


@dataclass(frozen=True)
class EncodingPlan:
    """How input is encoded; the same in this process and in a Ray Data worker.

    Attributes:
        length: the most tokens that a conversation may have; documents may be of any length.
        mixture: the weight of each domain or named input.
        names: what the config calls the input that a file belongs to; empty without names.
    """

    kind: Kind
    tokenizer: str
    length: int
    validation_share: float
    mixture: Mapping[str, float] | None = None
    names: Mapping[str, str] = field(default_factory=dict)


def encode_files(files: Sequence[str], plan: EncodingPlan, folder: Path, vocabulary: int, stage: Stage) -> Counter[str]:
    """Write `folder`/train and `folder`/validation; returns counts (`train_documents`, `shortened`, ...)."""
    shards = plan_shards(files)
    counts: Counter[str] = Counter()
    left = []
    for shard in shards:
        facts = _part(folder, shard) / _FACTS
        if facts.exists():
            counts.update(json.loads(facts.read_text(encoding="utf-8")))
        else:
            left.append(shard)
    stage.update(_documents(counts), note=f"{len(shards) - len(left)} of {len(shards)} shards are there")
    for number, found in enumerate(_encode_shards(left, plan, folder, vocabulary), start=1):
        counts.update(found)
        stage.update(_documents(counts), note=f"shard {len(shards) - len(left) + number} of {len(shards)}")
    for split in SPLITS:
        parts = [PartOrigin(_part(folder, shard) / split, shard.label, shard.first_row or 0) for shard in shards]
        join_parts(folder / split, parts)
    for unfinished in _part(folder, shards[0]).parent.glob("*.part"):  # of processes that were killed
        shutil.rmtree(unfinished, ignore_errors=True)
    return counts


def encode_shard(shard: InputShard, plan: EncodingPlan, folder: Path, vocabulary: int) -> Counter[str]:
    """Write one shard's part of both splits, whole or not at all."""
    final = _part(folder, shard)
    part = final.with_name(f"{final.name}.{os.getpid()}.part")
    shutil.rmtree(part, ignore_errors=True)
    tokenizer = _tokenizer(plan.tokenizer)
    counts: Counter[str] = Counter()
    masked = plan.kind == "chat"
    with (
        write_part(part / "train", vocabulary, masked) as train,
        write_part(part / "validation", vocabulary, masked) as validation,
    ):
        for batches, found in _encode_documents(shard, plan, tokenizer):
            train.append(batches["train"])
            validation.append(batches["validation"])
            counts.update(found)
    (part / _FACTS).write_text(json.dumps(counts, ensure_ascii=False), encoding="utf-8")
    shutil.rmtree(final, ignore_errors=True)
    part.replace(final)
    return counts


def _encode_documents(shard: InputShard, plan: EncodingPlan, tokenizer: PreTrainedTokenizerFast) -> Iterator[Encoded]:
    """Some hundred documents at a time, with the counts of what happened to them."""
    documents = read_documents(shard, plan.kind, with_domain=plan.mixture is not None)
    while some := list(islice(documents, _DOCUMENTS)):
        counts: Counter[str] = Counter()
        chosen = _chosen(some, shard, plan, counts)
        rows = (
            _text_rows(chosen, tokenizer) if plan.kind == "text" else _chat_rows(chosen, shard, plan, tokenizer, counts)
        )
        split: dict[str, list[_Row]] = {name: [] for name in SPLITS}
        for row in rows:
            split[SPLITS[held_out(row.text, plan.validation_share)]].append(row)
        counts.update({f"{name}_documents": len(found) for name, found in split.items()})
        yield {name: _batch(found, plan) for name, found in split.items()}, counts


def _chosen(
    documents: Sequence[Document], shard: InputShard, plan: EncodingPlan, counts: Counter[str]
) -> list[tuple[Document, int]]:
    """The documents that the mixture takes, each with its group."""
    if plan.mixture is None:
        return [(document, 0) for document in documents]
    chosen = []
    for document in documents:
        source = plan.names.get(shard.file)
        if source is None and document.domain is None:
            raise InputError(
                f"mixture is given and {shard.file} has no column `domain`",
                rule="the weights are those of domains, or of inputs with names",
                fix="train on a cleaning run, or name the inputs: input={a: ..., b: ...}",
            )
        name = source or document.domain or ""
        counts[f"{DOMAIN}{name}"] += 1
        group = group_of(name, plan.mixture)
        if group is None:
            counts["left_out_by_mixture"] += 1
        else:
            chosen.append((document, group))
    return chosen


@dataclass(frozen=True)
class _Row:
    """An encoded document: tokens, what is learnt of them (None = all), its text for the split, where it is from."""

    tokens: Any
    learnt: Any
    text: str
    row: int
    group: int


def _text_rows(documents: Sequence[tuple[Document, int]], tokenizer: PreTrainedTokenizerFast) -> Iterator[_Row]:
    end = document_end(tokenizer)
    texts = [text_of(document.content) for document, _ in documents]
    for (document, group), text, ids in zip(documents, texts, plain_text(tokenizer, texts), strict=True):
        yield _Row([*ids, end], None, text, document.row, group)


def _chat_rows(
    documents: Sequence[tuple[Document, int]],
    shard: InputShard,
    plan: EncodingPlan,
    tokenizer: PreTrainedTokenizerFast,
    counts: Counter[str],
) -> Iterator[_Row]:
    # One token more than the network reads: the last is only predicted.
    kept = slice(0, plan.length + 1)
    for document, group in documents:
        assert not isinstance(document.content, str)
        if lost := unknown_to_template(tokenizer, document.content, document.tools):
            raise InputError(
                f"{shard.row_name(document.row)} has `{lost}`",
                rule="the tokenizer's chat template does not know them",
                fix="start `from` a checkpoint whose template does, or leave such conversations out",
            )
        encoded = encode_conversation(tokenizer, document.content, document.tools)
        counts["shortened"] += len(encoded.tokens) > plan.length + 1
        if encoded.learnt[kept][1:].any():
            text = text_of(document.content)
            yield _Row(encoded.tokens[kept], encoded.learnt[kept], text, document.row, group)
        else:
            counts["nothing_to_learn"] += 1


def _batch(rows: Sequence[_Row], plan: EncodingPlan) -> EncodedBatch:
    return EncodedBatch(
        tokens=_joined([row.tokens for row in rows]),
        lengths=np.array([len(row.tokens) for row in rows], np.int64),
        learnt=_joined([row.learnt for row in rows]).astype(np.bool_) if plan.kind == "chat" else None,
        rows=np.array([row.row for row in rows], np.int64),
        groups=None if plan.mixture is None else np.array([row.group for row in rows], np.int64),
    )


def _joined(rows: Sequence[Any]) -> IntArray:
    return np.concatenate([np.asarray(row, np.int64) for row in rows]) if rows else np.empty(0, np.int64)


def _documents(counts: Counter[str]) -> int:
    return sum(counts[f"{split}_documents"] for split in SPLITS)


def _part(folder: Path, shard: InputShard) -> Path:
    return folder / "shards" / f"{shard.number:05d}"


@lru_cache(maxsize=1)  # a worker process encodes many shards
def _tokenizer(folder: str) -> PreTrainedTokenizerFast:
    return load_tokenizer(folder)


def _encode_shards(
    shards: Sequence[InputShard], plan: EncodingPlan, folder: Path, vocabulary: int
) -> Iterator[Counter[str]]:
    """Encode in any order: in this process, or by Ray Data where that is worth its start."""
    if len(shards) == 1 or sum(shard.size_bytes for shard in shards) < RAY_DATA_BYTES:
        for shard in shards:
            yield encode_shard(shard, plan, folder, vocabulary)
        return
    import ray.data

    rows = ray.data.from_items([{"shard": shard} for shard in shards], override_num_blocks=len(shards))
    counted = rows.map_batches(partial(_encode_rows, plan, folder, vocabulary), batch_size=1)
    for row in counted.iter_rows():
        yield Counter(json.loads(row["counts"]))


def _encode_rows(plan: EncodingPlan, folder: Path, vocabulary: int, rows: dict[str, Any]) -> dict[str, list[str]]:
    # Each task has one CPU: tokenizers would take them all.
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    return {"counts": [json.dumps(encode_shard(shard, plan, folder, vocabulary)) for shard in rows["shard"]]}
