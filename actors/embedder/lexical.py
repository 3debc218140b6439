"""The corpus-fitted embedder in numpy alone: what a pipeline uses that has no other need of torch.

Its vectors are those of `HashedNgrams` but for rounding; to import and load that takes longer than to embed ten
thousand texts.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from actors.embedder.projection import Projection, code_points, count_ngrams, fit_projection, fold, weigh
from danlu.errors import ConfigError, InputError

# The fit needs the Gram matrix of its texts: this bounds it to 32 MB and two seconds.
FIT_TEXTS = 2000
# Texts at a time: their counts take 8 MB.
_BATCH = 256


@dataclass(frozen=True)
class LexicalEmbedder:
    """Weighted hashed n-grams times a projection; one dimension more is for texts without any known character."""

    projection: Projection

    @property
    def dimensions(self) -> int:
        return self.projection.components.shape[1] + 1

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """(n_texts, dim) float32, unit norm."""
        vectors = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        for start in range(0, len(texts), _BATCH):
            folded = [fold(text) for text in texts[start : start + _BATCH]]
            rows = vectors[start : start + _BATCH]
            np.matmul(weigh(count_ngrams(folded), self.projection.idf), self.projection.components, out=rows[:, :-1])
            # A hash collision may give a weight to what is unknown, so the characters decide.
            readable = np.array([self._is_known[code_points(text)].any() for text in folded])
            readable &= rows.any(axis=1)
            rows[~readable] = 0
            rows[~readable, -1] = 1
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors

    def unknown_share(self, texts: Sequence[str]) -> float:
        """Share of characters that the fitted corpus never had; 1 for texts without any character."""
        points = code_points("".join("".join(fold(text).split()) for text in texts))
        return float(1 - self._is_known[points].mean()) if len(points) else 1.0

    def to_bytes(self) -> bytes:
        """What `from_bytes` takes."""
        from safetensors.numpy import save

        return save(vars(self.projection))

    @classmethod
    def from_bytes(cls, data: bytes) -> LexicalEmbedder:
        from safetensors.numpy import load

        return cls(Projection(**load(data)))

    @cached_property
    def _is_known(self) -> np.ndarray:
        """(1,114,112,) bool: for each code point whether the fitted corpus has it."""
        table = np.zeros(sys.maxunicode + 1, dtype=bool)
        table[self.projection.characters] = True
        return table


def fit_lexical_embedder(texts: Sequence[str], dimensions: int = 384, seed: int = 0) -> LexicalEmbedder:
    """Fit an embedder to a corpus: hashed character 1- to 3-gram TF-IDF, truncated SVD, unit norm.

    Args:
        texts: the corpus; of more than `FIT_TEXTS` a random sample is used.
        dimensions: at most this many, fewer for a small corpus.
        seed: of the sample; the same texts, dimensions and seed give the same embedder.

    Raises:
        InputError: no text has a single character.
        ConfigError: fewer than 2 dimensions.
    """
    if dimensions < 2:
        raise ConfigError(f"dimensions is {dimensions}", rule="an embedding has at least 2 dimensions")
    usable = [text for text in texts if text.strip()]
    if not usable:
        raise InputError("no text to fit an embedder to", rule=f"all {len(texts)} texts are empty")
    if len(usable) > FIT_TEXTS:
        usable = random.Random(seed).sample(usable, FIT_TEXTS)
    return LexicalEmbedder(fit_projection(usable, dimensions - 1))
