"""Latent semantic analysis of hashed character n-grams: what the corpus-fitted embedder learns from its corpus.

Character n-grams need no word segmentation, so they suit Chinese and English alike. The vectors are lexical: texts
that share wording lie close, translations and deep paraphrases do not.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import linalg

# 2**13 buckets: few enough for dense counts and one matrix product, which beats sparse look-ups tenfold, and enough
# for a page of text to collide in a sixth of its n-grams only (Weinberger et al., "Feature hashing for large scale
# multitask learning", 2009).
_BUCKET_BITS = 13
BUCKETS = 1 << _BUCKET_BITS
_CHARACTER, _MIX = np.uint32(0x9E3779B1), np.uint32(0x85EBCA77)
# Eigenvalues below this share of the greatest are rounding noise of the float32 Gram matrix.
_RANK_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Projection:
    """From n-gram counts to a vector.

    characters: (n_characters,) int64, ascending: the code points that occur in the fitted corpus.
    idf: (BUCKETS,) float32: smoothed inverse document frequency of each hash bucket; 0 where the corpus has nothing.
    components: (BUCKETS, rank) float32: orthonormal columns, the right singular vectors.
    """

    characters: np.ndarray
    idf: np.ndarray
    components: np.ndarray


def fold(text: str) -> str:
    """Compatibility forms (full-width letters, ligatures) and case made one."""
    return (text if unicodedata.is_normalized("NFKC", text) else unicodedata.normalize("NFKC", text)).lower()


def code_points(text: str) -> np.ndarray:
    """Every character of a folded text, repetitions included: (n_characters,) uint32."""
    return np.frombuffer(text.encode("utf-32-le", errors="replace"), dtype="<u4")


def count_ngrams(texts: Sequence[str]) -> np.ndarray:
    """Occurrences of each hashed character 1- to 3-gram of folded texts: (n_texts, BUCKETS) float32."""
    counts = np.empty((len(texts), BUCKETS), dtype=np.float32)
    for row, text in enumerate(texts):
        counts[row] = np.bincount(hash_ngrams(code_points(text), 3, _BUCKET_BITS), minlength=BUCKETS)
    return counts


def weigh(counts: np.ndarray, idf: np.ndarray) -> np.ndarray:
    """Counts to log(1 + count) * idf, shape kept."""
    return np.log1p(counts) * idf


def fit_projection(texts: Sequence[str], rank: int) -> Projection:
    """TF-IDF (sublinear, smoothed) and a truncated SVD of at most `rank` dimensions.

    The SVD comes from the eigenvectors of the (n_texts, n_texts) Gram matrix: exact, deterministic, and quicker than a
    randomised SVD up to a few thousand texts. Deerwester et al., "Indexing by latent semantic analysis", 1990.
    """
    folded = [fold(text) for text in texts]
    counts = count_ngrams(folded)
    frequency = np.count_nonzero(counts, axis=0)
    idf = np.where(frequency, np.log((1 + len(texts)) / (1 + frequency)) + 1, 0).astype(np.float32)
    weighted = weigh(counts, idf)
    weighted /= np.maximum(np.linalg.norm(weighted, axis=1, keepdims=True), 1e-12)
    gram = (weighted @ weighted.T).astype(np.float64)
    rank = min(rank, len(texts))
    values, vectors = linalg.eigh(gram, subset_by_index=[len(texts) - rank, len(texts) - 1])
    kept = values > _RANK_TOLERANCE * values[-1]
    left = (vectors[:, kept] / np.sqrt(values[kept]))[:, ::-1].astype(np.float32)
    return Projection(_characters(folded), idf, _fix_signs(weighted.T @ left))


def hash_ngrams(points: np.ndarray, longest: int, bits: int) -> np.ndarray:
    """One of 2**bits buckets, uint32, for each n-gram of (n,) uint32 code points, of 1 to `longest` characters."""
    ones = points * _CHARACTER
    grams = [ones + np.uint32(1)]
    last = ones
    for size in range(2, longest + 1):
        last = (last[:-1] ^ (last[:-1] >> np.uint32(15))) * _MIX + ones[size - 1 :]
        grams.append(last)
    hashes = np.concatenate(grams)
    hashes ^= hashes >> np.uint32(16)
    hashes *= _MIX
    hashes ^= hashes >> np.uint32(13)
    return hashes >> np.uint32(32 - bits)


def _characters(folded: Sequence[str]) -> np.ndarray:
    """The different characters of folded texts but white space, ascending: (n_characters,) int64."""
    different = set().union(*folded)
    return np.array(sorted(ord(c) for c in different if not c.isspace()), dtype=np.int64)


def _fix_signs(components: np.ndarray) -> np.ndarray:
    """Eigenvectors are only known up to their sign: make the largest entry of each positive."""
    largest = np.abs(components).argmax(axis=0)
    signs = np.sign(components[largest, np.arange(components.shape[1])])
    return np.ascontiguousarray(components * signs, dtype=np.float32)
