"""Latent semantic analysis of hashed character n-grams: what the corpus-fitted embedder learns from its corpus.

Character n-grams need no word segmentation, so they suit Chinese and English alike. The vectors are lexical: texts
that share wording lie close, translations and deep paraphrases do not.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import linalg, sparse
from sklearn.feature_extraction.text import HashingVectorizer

NGRAM_RANGE = (1, 3)
BUCKETS = 1 << 15
# Eigenvalues below this share of the greatest are rounding noise of the float32 Gram matrix.
_RANK_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Projection:
    """From n-gram counts to a vector.

    characters: (n_characters,) int64, ascending: the code points that occur in the fitted corpus.
    known: (n_known,) int64, ascending: the hash buckets that occur in the fitted corpus.
    idf: (n_known,) float32: smoothed inverse document frequency of each.
    components: (n_known, rank) float32: orthonormal columns, the right singular vectors.
    """

    characters: np.ndarray
    known: np.ndarray
    idf: np.ndarray
    components: np.ndarray


def fold(text: str) -> str:
    """Compatibility forms (full-width letters, ligatures) and case made one."""
    return unicodedata.normalize("NFKC", text).lower()


def code_points(texts: Sequence[str]) -> np.ndarray:
    """Every character of folded texts but white space, repetitions included: (n_characters,) int64."""
    joined = "".join("".join(text.split()) for text in texts)
    return np.frombuffer(joined.encode("utf-32-le", errors="replace"), dtype="<u4").astype(np.int64)


def count_ngrams(texts: Sequence[str]) -> sparse.csr_matrix:
    """Occurrences of each hashed character 1- to 3-gram of folded texts: (n_texts, BUCKETS) float32."""
    vectorizer = HashingVectorizer(
        analyzer="char", ngram_range=NGRAM_RANGE, n_features=BUCKETS, alternate_sign=False, norm=None, dtype=np.float32
    )
    return vectorizer.transform(texts)


def fit_projection(texts: Sequence[str], rank: int) -> Projection:
    """TF-IDF (sublinear, smoothed) and a truncated SVD of at most `rank` dimensions.

    The SVD comes from the eigenvectors of the (n_texts, n_texts) Gram matrix: exact, deterministic, and quicker than a
    randomised SVD up to a few thousand texts. Deerwester et al., "Indexing by latent semantic analysis", 1990.
    """
    folded = [fold(text) for text in texts]
    counts = count_ngrams(folded)
    document_frequency = counts.getnnz(axis=0)
    known = np.flatnonzero(document_frequency)
    idf = (np.log((1 + len(texts)) / (1 + document_frequency[known])) + 1).astype(np.float32)
    weighted = _unit_rows(weigh(counts[:, known], idf))
    gram = (weighted @ weighted.T).toarray().astype(np.float64)
    rank = min(rank, len(texts), len(known))
    values, vectors = linalg.eigh(gram, subset_by_index=[len(texts) - rank, len(texts) - 1])
    kept = values > _RANK_TOLERANCE * values[-1]
    left = (vectors[:, kept] / np.sqrt(values[kept]))[:, ::-1].astype(np.float32)
    return Projection(np.unique(code_points(folded)), known, idf, _fix_signs(weighted.T @ left))


def weigh(counts: sparse.csr_matrix, idf: np.ndarray) -> sparse.csr_matrix:
    """Counts to (1 + log count) * idf, shape kept."""
    weighted = counts.tocsr(copy=True)
    weighted.data = (1 + np.log(weighted.data)) * idf[weighted.indices]
    return weighted


def _unit_rows(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    norms = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    return sparse.diags_array(1 / np.maximum(norms, 1e-12)).astype(np.float32) @ matrix


def _fix_signs(components: np.ndarray) -> np.ndarray:
    """Eigenvectors are only known up to their sign: make the largest entry of each positive."""
    largest = np.abs(components).argmax(axis=0)
    signs = np.sign(components[largest, np.arange(components.shape[1])])
    return np.ascontiguousarray(components * signs, dtype=np.float32)
