"""Texts as weighted characters and pairs of characters: what domains are told by where no embedding model was given.

A corpus-fitted embedding keeps what a corpus differs in most, which is not what domains differ in:
`python -m benchmarks cleaning_domains` shows both on public sets, and the report of a run says how many held-out seeds
are told right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from scipy import sparse

from actors.embedder.projection import code_points, fold, hash_ngrams

_BITS, _LONGEST = 16, 2
TERMS = 1 << _BITS
_FILE = "terms.npz"


@dataclass(frozen=True)
class Terms:
    """idf: (TERMS,) float32, smoothed inverse document frequency of each hashed term among the texts fitted to."""

    idf: np.ndarray

    @classmethod
    def fit(cls, texts: Sequence[str]) -> Self:
        frequency = np.bincount(count_terms(texts).indices, minlength=TERMS)
        return cls((np.log((1 + len(texts)) / (1 + frequency)) + 1).astype(np.float32))

    def __call__(self, texts: Sequence[str]) -> sparse.csr_matrix:
        """(n_texts, TERMS) float32: log(1 + count) * idf, rows of unit norm; an empty text is a row of zeros."""
        weighted = count_terms(texts)
        weighted.data = np.log1p(weighted.data) * self.idf[weighted.indices]
        norms = np.sqrt(np.asarray(weighted.multiply(weighted).sum(axis=1)).ravel())
        return sparse.csr_matrix(sparse.diags_array(1 / np.maximum(norms, 1e-12)).astype(np.float32) @ weighted)

    def save(self, folder: str | Path) -> None:
        np.savez_compressed(Path(folder, _FILE), idf=self.idf)

    @classmethod
    def load(cls, folder: str | Path) -> Self | None:
        """What `save` wrote; None where nothing was."""
        file = Path(folder, _FILE)
        if not file.is_file():
            return None
        with np.load(file) as arrays:
            return cls(arrays["idf"])


def count_terms(texts: Sequence[str]) -> sparse.csr_matrix:
    """(n_texts, TERMS) float32: how often each text has each hashed term."""
    rows = [np.unique(hash_ngrams(code_points(fold(text)), _LONGEST, _BITS), return_counts=True) for text in texts]
    starts = np.cumsum([0, *(len(terms) for terms, _ in rows)])
    terms = np.concatenate([np.zeros(0, dtype=np.uint32), *(terms for terms, _ in rows)]).astype(np.int32)
    counts = np.concatenate([np.zeros(0), *(counts for _, counts in rows)]).astype(np.float32)
    return sparse.csr_matrix((counts, terms, starts), shape=(len(rows), TERMS))
