"""Benchmark texts that a document holds, by n-grams they have in common. Pure numpy.

A passage of a benchmark counts as held when a document has at least `overlap` of the passage's character n-grams (or
the passage that of the document's, when the document is the shorter one). Compared are the comparison keys, so
punctuation, spaces, width, case and script make no difference.

- Size of the n-grams. Brown et al., "Language models are few-shot learners", 2020, appendix C, drop what shares 8 to 13
  words with a benchmark; Chowdhery et al., "PaLM", 2022, what shares 70% of 8-grams of words. 13 Chinese characters are
  about 8 words. In Latin letters 13 are not even three words, and any book has most of those, so passages that are
  mostly in such letters are compared by n-grams three times as long: 39 letters, 8 words again.
- Short passages. One that has fewer than two n-grams' worth of characters has to occur as a whole, and one that is
  shorter than `min_characters` (letters count a third, so 13 are the 8 words that appendix C asks of the shortest) is
  left out: it would be a phrase that anybody may write.
- Wording of the benchmark itself. N-grams that more than `TEMPLATE_PASSAGES` different passages have ("根据上文回答下列
  问题") say nothing about any of them and are left out.

Limits: a translation or a paraphrase of a benchmark is not found.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipelines.cleaning.minhash import shingles

LETTERS_FOR_A_CHARACTER = 3
TEMPLATE_PASSAGES = 10
_LATIN = re.compile("[0-9a-z\u00c0-\u024f]+")
_SLOTS_FOR_A_GRAM = 8
_MOST_SLOT_BITS = 26


@dataclass(frozen=True)
class GramIndex:
    """The n-grams of passages. A passage has its place in `totals` as its number.

    size: characters of an n-gram. grams: (n,) uint64 ascending; one that several passages have is there several times.
    passages: (n,) int32, the passage that has it. totals: (n_passages,) int32, different n-grams of each passage.
    """

    size: int
    grams: np.ndarray
    passages: np.ndarray
    totals: np.ndarray


@dataclass(frozen=True)
class Held:
    """A passage (by its number) that a document holds, and the share of n-grams in common, 0 to 1."""

    passage: int
    share: float


def weight(key: str) -> float:
    """Length of a key in Chinese characters, of which Latin letters and digits make a third each."""
    letters = _letters(key)
    return len(key) - letters + letters / LETTERS_FOR_A_CHARACTER


def is_latin(key: str, grams: int) -> bool:
    """Whether a key says most in Latin letters and digits, and is long enough for their n-grams."""
    letters = _letters(key)
    return letters / LETTERS_FOR_A_CHARACTER > len(key) - letters and len(key) >= LETTERS_FOR_A_CHARACTER * grams


def _letters(key: str) -> int:
    return sum(map(len, _LATIN.findall(key)))


def index_keys(keys: Sequence[str], size: int) -> GramIndex:
    """The index of different keys; what more than `TEMPLATE_PASSAGES` of them have is not in it."""
    per_key = [shingles(key, size) for key in keys]
    grams = np.concatenate([np.zeros(0, dtype=np.uint64), *per_key])
    passages = np.repeat(np.arange(len(keys), dtype=np.int32), [len(of_key) for of_key in per_key])
    order = np.lexsort((passages, grams))
    grams, passages = grams[order], passages[order]
    _, place, counts = np.unique(grams, return_inverse=True, return_counts=True)
    telling = counts[place] <= TEMPLATE_PASSAGES
    passages = passages[telling]
    totals = np.bincount(passages, minlength=len(keys)).astype(np.int32)
    return GramIndex(size, grams[telling], passages, totals)


class Finder:
    """Finds the passages of an index in documents.

    Most n-grams of most documents are in no passage. A table of bits in which every n-gram of the index has a slot says
    so for all of them at once; the few that are left are looked up.
    """

    def __init__(self, index: GramIndex, overlap: float) -> None:
        self.index = index
        self._overlap = overlap
        bits = min(max(len(index.grams) * _SLOTS_FOR_A_GRAM, 2).bit_length(), _MOST_SLOT_BITS)
        self._shift = np.uint64(64 - bits)
        self._slots = np.zeros(1 << bits, dtype=bool)
        self._slots[index.grams >> self._shift] = True

    def find(self, key: str) -> Held | None:
        """The passage that a document with this key holds most of; of equals the one with the lowest number."""
        if not len(self.index.grams) or not key:
            return None
        grams = shingles(key, self.index.size)
        possible = grams[self._slots[grams >> self._shift]]
        first = np.searchsorted(self.index.grams, possible)
        known = self.index.grams.take(first, mode="clip") == possible
        return self._most(first[known], possible[known], len(grams)) if known.any() else None

    def _most(self, first: np.ndarray, common: np.ndarray, document_grams: int) -> Held | None:
        """The best of the passages that have any of the `common` n-grams, whose first places are given."""
        last = np.searchsorted(self.index.grams, common, side="right")
        places = np.concatenate([np.arange(start, end) for start, end in zip(first, last, strict=True)])
        held, counts = np.unique(self.index.passages[places], return_counts=True)
        whole = self.index.totals[held]
        if document_grams > self.index.size:  # a shorter one is a phrase, not an excerpt of a longer passage
            whole = np.minimum(whole, document_grams)
        shares = counts / whole
        enough = shares >= np.where(whole <= self.index.size, 1.0, self._overlap)
        if not enough.any():
            return None
        best = np.lexsort((held[enough], -shares[enough]))[0]
        return Held(int(held[enough][best]), float(shares[enough][best]))
