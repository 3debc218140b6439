"""A corpus whose duplicates are known: documents that have nothing to do with each other, and copies of some of them.

The documents are news of `chinese_news` and passages of `tinyshakespeare` (DANLU_DATA). Even and odd seeds draw from
different halves of them, so that thresholds that are tuned on one seed are judged on other documents.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
from scipy.sparse import csr_matrix

from benchmarks.cleaning.copies import KINDS
from benchmarks.cleaning.news import COMPARED_FILES, News, body, grams
from benchmarks.machine import data_folder

ORIGINAL = "original"
# More 5-grams in common than this share of the shorter text, and it is not certain that two documents are different.
MOST_CONTAINED = 0.2
_NATURAL_SIMILARITY = 0.3
_LEAST_CHARACTERS = 100
_PASSAGE_CHARACTERS = (500, 1200)
_COPIES = (1, 3)
_SAMPLED = 8
_COMMON_GRAM = 200


@dataclass(frozen=True)
class Document:
    """`origin` is the id of the document that it is a copy of, its own for an original. `kind` is the copy's kind."""

    id: str
    text: str
    origin: str
    kind: str


def build_corpus(originals: Sequence[str], seed: int, copied_share: float = 0.5) -> list[Document]:
    """Originals, one to three copies of some, each of any kind that suits; in random order under ids without meaning.

    Args:
        copied_share: of the originals that have copies.
    """
    rng = Random(seed)
    drafts: list[tuple[int, str, str]] = []
    for number, text in enumerate(originals):
        drafts.append((number, text, ORIGINAL))
        if rng.random() < copied_share:
            drafts.extend((number, copy, kind) for kind, copy in _copies(text, rng))
    rng.shuffle(drafts)
    ids = {number: f"d{place:06d}" for place, (number, _, kind) in enumerate(drafts) if kind == ORIGINAL}
    return [Document(f"d{place:06d}", text, ids[number], kind) for place, (number, text, kind) in enumerate(drafts)]


def _copies(text: str, rng: Random) -> list[tuple[str, str]]:
    """(kind, copy) of different kinds."""
    made: list[tuple[str, str]] = []
    for kind in rng.sample(list(KINDS), rng.randint(*_COPIES)):
        copy = KINDS[kind](text, rng)
        if copy is not None:
            made.append((kind, copy))
    return made


def read_originals(seed: int, limit: int | None = None) -> list[str]:
    """Documents without a near relative among all documents, of the half that the seed draws from: news, then English.

    Args:
        limit: so many of them at most, a random choice.
    """
    news = News()
    related = {name for pair in news.pairs() if pair.jaccard >= _NATURAL_SIMILARITY for name in (pair.a, pair.b)}
    texts = [body(text) for identifier, text in news.documents(COMPARED_FILES) if identifier not in related]
    texts = drop_related([text for text in texts if len(text) >= _LEAST_CHARACTERS]) + _english_passages()
    half = [text for text in texts if zlib.crc32(text.encode()) % 2 == seed % 2]
    return half if limit is None or limit >= len(half) else Random(seed).sample(half, limit)


def drop_related(texts: Sequence[str], most: float = MOST_CONTAINED) -> list[str]:
    """The texts that share at most `most` of the shorter one's 5-grams with any other text.

    Pairs are found by one in eight 5-grams, so what is decided is an estimate; 5-grams that very many texts have are
    left out, since they tell nothing.
    """
    sampled = [sorted(hash_ for gram in grams(text) if not (hash_ := zlib.crc32(gram.encode())) % _SAMPLED)
               for text in texts]  # fmt: skip
    columns, rows = np.concatenate([*sampled, []]), np.repeat(np.arange(len(texts)), [len(one) for one in sampled])
    _, columns, counts = np.unique(columns, return_inverse=True, return_counts=True)
    useful = counts[columns] <= _COMMON_GRAM
    ones = np.ones(int(useful.sum()), dtype=np.int32)
    incidence = csr_matrix((ones, (rows[useful], columns[useful])), shape=(len(texts), max(len(counts), 1)))
    common = (incidence @ incidence.T).tocoo()
    sizes = np.array([len(one) for one in sampled])
    shorter = np.minimum(sizes[common.row], sizes[common.col])
    near = (common.row != common.col) & (common.data > most * shorter)
    related = set(common.row[near].tolist())
    return [text for number, text in enumerate(texts) if number not in related]


def _english_passages() -> list[str]:
    """Whole speeches of Shakespeare put together up to 500 to 1,200 characters."""
    file = data_folder() / "tinyshakespeare" / "input.txt"
    if not file.exists():
        return []
    rng, passages, held = Random(0), [], ""
    wanted = rng.randint(*_PASSAGE_CHARACTERS)
    for speech in file.read_text(encoding="utf-8").split("\n\n"):
        held = f"{held}\n\n{speech}".strip()
        if len(held) >= wanted:
            passages.append(held)
            held, wanted = "", rng.randint(*_PASSAGE_CHARACTERS)
    return passages


def write_corpus(documents: Sequence[Document], folder: Path) -> Path:
    """`corpus.jsonl` (id, text) and `truth.jsonl` (id, origin, kind) in `folder`; returns the corpus."""
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "corpus.jsonl", [{"id": one.id, "text": one.text} for one in documents])
    _write(folder / "truth.jsonl", [{"id": d.id, "origin": d.origin, "kind": d.kind} for d in documents])
    return folder / "corpus.jsonl"


def _write(file: Path, rows: Sequence[Mapping[str, str]]) -> None:
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
