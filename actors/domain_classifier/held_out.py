"""How good a classifier is on labelled texts that it has not seen. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

_BINS = 10


@dataclass(frozen=True)
class DomainFigures:
    """One domain.

    precision: share that belongs there of the texts called so. recall: share called so of the texts that belong there.
    f1: their harmonic mean. support: texts that belong there.
    """

    domain: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class HeldOut:
    """Figures of cross-validation, shares of 0 to 1.

    accuracy: texts that got their own domain. macro_f1: the mean over domains.
    calibration_error: mean distance of the score from the share that is right.
    """

    accuracy: float
    macro_f1: float
    calibration_error: float
    domains: tuple[DomainFigures, ...]

    @classmethod
    def measure(cls, probabilities: np.ndarray, labels: np.ndarray, domains: Sequence[str]) -> Self:
        """Compare (n, k) probabilities to (n,) labels."""
        predicted = probabilities.argmax(axis=1)
        right = predicted == labels
        figures = tuple(_figures(name, predicted == k, labels == k) for k, name in enumerate(domains))
        return cls(
            accuracy=float(right.mean()),
            macro_f1=float(np.mean([one.f1 for one in figures])),
            calibration_error=calibration_error(probabilities.max(axis=1), right),
            domains=figures,
        )

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """What `dataclasses.asdict` made of one."""
        return cls(**{**values, "domains": tuple(DomainFigures(**one) for one in values["domains"])})


def calibration_error(scores: np.ndarray, right: np.ndarray) -> float:
    """Expected calibration error over ten equal bins of the score, 0 to 1.

    Guo et al., "On calibration of modern neural networks", 2017.

    Args:
        scores: (n,) 0 to 1. right: (n,) bool.
    """
    bins = np.minimum((scores * _BINS).astype(np.int64), _BINS - 1)
    counts = np.bincount(bins, minlength=_BINS)
    gaps = np.abs(np.bincount(bins, scores, _BINS) - np.bincount(bins, right.astype(np.float64), _BINS))
    return float(gaps.sum() / counts.sum()) if counts.sum() else 0.0


def _figures(domain: str, called: np.ndarray, own: np.ndarray) -> DomainFigures:
    """From (n,) bool: which texts were called so, and which are."""
    hits, support = int((called & own).sum()), int(own.sum())
    precision = hits / int(called.sum()) if called.any() else 0.0
    recall = hits / support if support else 0.0
    f1 = 2 * precision * recall / (precision + recall) if hits else 0.0
    return DomainFigures(domain, precision, recall, f1, support)
