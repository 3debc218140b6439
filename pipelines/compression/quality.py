"""How much of a model's quality its smaller form keeps."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from pipelines.compression.samples import Sample


class GivesLogits(Protocol):
    """A network, or a stand-in for one."""

    def logits(self, ids: list[int]) -> np.ndarray: ...


@dataclass(frozen=True)
class Quality:
    """The smaller model beside the original, over the same tokens.

    Attributes:
        tokens: scored tokens.
        perplexity_before: of the original; exp of the mean negative log-likelihood.
        perplexity_after: of the smaller model.
        agreement: share of positions at which both find the same token likeliest.
    """

    tokens: int
    perplexity_before: float
    perplexity_after: float
    agreement: float


def compare(
    before: GivesLogits, after: GivesLogits, samples: Iterable[Sample], tell: Callable[[int], object]
) -> Quality:
    """Score both networks on the samples; `tell` is called with the tokens that each brought."""
    tokens, equal, loss_before, loss_after = 0, 0, 0.0, 0.0
    for sample in samples:
        one, best_before = score(before.logits(sample.ids), sample)
        other, best_after = score(after.logits(sample.ids), sample)
        loss_before += float(one.sum())
        loss_after += float(other.sum())
        equal += int((best_before == best_after).sum())
        tokens += len(one)
        tell(len(one))
    if not tokens:
        raise ValueError("no sample has a token to score")
    return Quality(tokens, math.exp(loss_before / tokens), math.exp(loss_after / tokens), equal / tokens)


def score(logits: np.ndarray, sample: Sample) -> tuple[np.ndarray, np.ndarray]:
    """Negative log-likelihoods of the sample's scored tokens, and the likeliest token at each of these positions.

    Args:
        logits: (tokens, vocabulary) float32, after each token of the sample.

    Returns:
        Two arrays of length tokens - first: nats (float64), token ids.
    """
    rows = logits[sample.first - 1 : -1].astype(np.float64)
    targets = np.asarray(sample.ids[sample.first :])
    highest = rows.max(-1)
    normalizer = highest + np.log(np.exp(rows - highest[:, None]).sum(-1))
    return normalizer - rows[np.arange(len(targets)), targets], rows.argmax(-1)
