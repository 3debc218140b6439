"""Lines that many documents share, found by hashed lines. Pure.

A line is compared by its key with digits made one, so that `阅读：1024 次` and `阅读：98 次` are the same line.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

import numpy as np

from pipelines.cleaning.config import RepeatedLinesConfig

_NO_WORD = re.compile(r"[\W_]+")
_DIGITS = re.compile(r"\d+")


def line_hash(line: str) -> int:
    """64 bits, equal for lines that differ in digits, punctuation and case only; 0 for a line without words."""
    key = _DIGITS.sub("0", _NO_WORD.sub("", line.lower()))
    return int.from_bytes(hashlib.blake2b(key.encode(errors="replace"), digest_size=8).digest()) if key else 0


def document_lines(text: str, config: RepeatedLinesConfig) -> set[int]:
    """The hashes of a document's short lines, each once. A document of one line has no line that could go."""
    lines = text.split("\n")
    if len(lines) == 1:
        return set()
    return {line_hash(line) for line in lines if 0 < len(line) <= config.max_characters} - {0}


def count_documents(hashes: Iterable[np.ndarray], counts: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Add up per-shard counts: (hashes (n,) uint64 ascending, documents (n,) int64)."""
    all_hashes = np.concatenate([np.zeros(0, dtype=np.uint64), *hashes])
    all_counts = np.concatenate([np.zeros(0, dtype=np.int64), *counts])
    different, place = np.unique(all_hashes, return_inverse=True)
    return different, np.bincount(place, weights=all_counts, minlength=len(different)).astype(np.int64)


def repeated(hashes: np.ndarray, documents: np.ndarray, config: RepeatedLinesConfig) -> np.ndarray:
    """The hashes of lines that at least `min_documents` documents have."""
    return hashes[documents >= config.min_documents]
