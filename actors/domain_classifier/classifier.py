"""Which domain a text belongs to, by its embedding or its terms, with probabilities that mean what they say."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self, TypeAlias

import numpy as np
from scipy import sparse

from actors.domain_classifier.discriminant import fit_discriminant
from actors.domain_classifier.held_out import HeldOut
from actors.domain_classifier.ridge import fit_ridge
from actors.domain_classifier.seeds import check_seeds
from danlu.errors import InputError

OTHER = "other"
# (n, dim): dense embeddings, or sparse terms (scipy has no types).
Points: TypeAlias = Any
Encode = Callable[[Sequence[str]], Points]
_FOLDS = 5
_LOG_TEMPERATURE = (-3.0, 7.0)


@dataclass(frozen=True)
class DomainClassifier:
    """Scores of domains for embeddings or terms.

    domains: names. weights: (n_domains, dim) float32. biases: (n_domains,) float32.
    temperature: what the scores are divided by to be calibrated (fitted on held-out seeds).
    held_out: how well it does on seeds that were not fitted to.
    """

    domains: tuple[str, ...]
    weights: np.ndarray
    biases: np.ndarray
    temperature: float
    held_out: HeldOut

    @classmethod
    def fit(cls, seeds: Mapping[str, Sequence[str]], encode: Encode, seed: int = 0) -> Self:
        """Learn from labelled texts; the temperature and the figures come from cross-validation.

        Args:
            seeds: {domain: texts}, at least two of each.
            encode: texts to (n, dim) embeddings or terms, the same as for what will be classified.
            seed: of the cross-validation's folds.

        Raises:
            InputError: too few domains or seeds.
        """
        check_seeds(seeds, "given")
        domains = tuple(seeds)
        embeddings = encode([text for domain in domains for text in seeds[domain]])
        labels = np.repeat(np.arange(len(domains)), [len(seeds[domain]) for domain in domains])
        weights, biases = _fit(embeddings, labels)
        folds = assign_folds(labels, seed)
        scores = _held_out_scores(embeddings, labels, folds)
        held_out = HeldOut.measure(_calibrate_across(scores, labels, folds), labels, domains)
        temperature = fit_temperature(scores, labels)
        return cls(domains, weights.astype(np.float32), biases.astype(np.float32), temperature, held_out)

    def probabilities(self, embeddings: Points) -> np.ndarray:
        """(n, n_domains), each row of sum 1."""
        return softmax((np.asarray(embeddings @ self.weights.T) + self.biases) / self.temperature)

    def classify(self, embeddings: Points, min_score: float = 0.0) -> tuple[list[str], np.ndarray]:
        """The likeliest domain of each of (n, dim) embeddings and its calibrated probability, (n,) float32.

        Below `min_score` the domain is `other`.
        """
        if not embeddings.shape[0]:
            return [], np.zeros(0, dtype=np.float32)
        probabilities = self.probabilities(embeddings)
        best = probabilities.argmax(axis=1)
        scores = probabilities[np.arange(len(best)), best].astype(np.float32)
        return [self.domains[b] if s >= min_score else OTHER for b, s in zip(best, scores, strict=True)], scores

    def save(self, folder: str | Path) -> None:
        """Write domain_classifier.json and weights.npz into `folder`."""
        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        facts = {"domains": self.domains, "temperature": self.temperature, "held_out": asdict(self.held_out)}
        (target / "domain_classifier.json").write_text(
            json.dumps(facts, ensure_ascii=False, indent=2), encoding="utf-8"
        )
        np.savez(target / "weights.npz", weights=self.weights, biases=self.biases)

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """What `save` wrote.

        Raises:
            InputError: the folder holds none.
        """
        file = Path(folder, "domain_classifier.json")
        if not file.is_file():
            raise InputError(f"no domain classifier in {folder}", rule=f"it has no {file.name}")
        facts = json.loads(file.read_text(encoding="utf-8"))
        with np.load(file.parent / "weights.npz") as arrays:
            weights, biases = arrays["weights"], arrays["biases"]
        held_out = HeldOut.from_dict(facts["held_out"])
        return cls(tuple(facts["domains"]), weights, biases, facts["temperature"], held_out)


def softmax(scores: np.ndarray) -> np.ndarray:
    """Row by row, of (n, k)."""
    shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def fit_temperature(scores: np.ndarray, labels: np.ndarray) -> float:
    """The number by which (n, k) scores are to be divided for the least log loss on `labels` (n,).

    Guo et al., "On calibration of modern neural networks", 2017. The targets are smoothed as in Platt, "Probabilistic
    outputs for support vector machines", 1999: a few seeds that are all told right don't make certainty.
    """
    from scipy.optimize import minimize_scalar

    count, classes = scores.shape
    doubt = classes / (count + 2 * classes)
    targets = np.full(scores.shape, doubt / classes)
    targets[np.arange(count), labels] += 1 - doubt

    def loss(log_temperature: float) -> float:
        return float(-(targets * np.log(softmax(scores / np.exp(log_temperature)) + 1e-12)).sum(axis=1).mean())

    return float(np.exp(minimize_scalar(loss, bounds=_LOG_TEMPERATURE, method="bounded").x))


def assign_folds(labels: np.ndarray, seed: int) -> np.ndarray:
    """(n,) int: the fold in which each seed is held out; every class is spread over all folds as evenly as it goes."""
    from sklearn.model_selection import StratifiedKFold

    splitter = StratifiedKFold(min(_FOLDS, int(np.bincount(labels).min())), shuffle=True, random_state=seed)
    folds = np.zeros(len(labels), dtype=np.int64)
    for number, (_, held_out) in enumerate(splitter.split(labels, labels)):
        folds[held_out] = number
    return folds


def _fit(points: Points, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights (n_domains, dim) and biases (n_domains,)."""
    return fit_ridge(points, labels) if sparse.issparse(points) else fit_discriminant(points, labels)


def _held_out_scores(embeddings: Points, labels: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """(n, n_domains) scores of each seed by a model that has not seen it."""
    scores = np.zeros((len(labels), int(labels.max()) + 1))
    for fold in range(int(folds.max()) + 1):
        held_out = folds == fold
        weights, biases = _fit(embeddings[~held_out], labels[~held_out])
        scores[held_out] = embeddings[held_out] @ weights.T + biases
    return scores


def _calibrate_across(scores: np.ndarray, labels: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """(n, k) probabilities of held-out scores, each fold at the temperature of the others: none is its own judge."""
    probabilities = np.zeros(scores.shape)
    for fold in range(int(folds.max()) + 1):
        inside = folds == fold
        probabilities[inside] = softmax(scores[inside] / fit_temperature(scores[~inside], labels[~inside]))
    return probabilities
