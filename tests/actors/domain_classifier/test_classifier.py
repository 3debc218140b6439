"""Domains from seed texts: fitting, calibration, saving."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from actors.domain_classifier import OTHER, DomainClassifier, read_seeds
from actors.domain_classifier.classifier import fit_temperature, softmax
from danlu.errors import InputError

SEEDS = {"north": ["n"] * 12, "east": ["e"] * 12, "west": ["w"] * 12}
_CENTRES = {"n": (0.0, 1.0), "e": (1.0, 0.0), "w": (-1.0, 0.0)}


def encode(texts: list[str]) -> np.ndarray:
    """Points around a centre for each letter; the noise is seeded by the number of texts."""
    noise = np.random.default_rng(len(texts)).normal(0, 0.25, (len(texts), 2))
    points = np.array([_CENTRES[text] for text in texts]) + noise
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def classifier() -> DomainClassifier:
    return DomainClassifier.fit(SEEDS, encode)


def test_each_point_gets_the_domain_of_its_centre(classifier: DomainClassifier) -> None:
    labels, scores = classifier.classify(np.array([[0, 1], [1, 0], [-1, 0]], dtype=np.float32))
    assert labels == ["north", "east", "west"]
    assert scores.dtype == np.float32
    assert (scores > 0.5).all()
    assert classifier.accuracy > 0.8


def test_probabilities_sum_to_one(classifier: DomainClassifier) -> None:
    probabilities = classifier.probabilities(encode(["n", "e", "w", "w"]))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)


def test_a_low_score_is_other(classifier: DomainClassifier) -> None:
    between = np.array([[0.7, 0.7]], dtype=np.float32)
    assert classifier.classify(between, min_score=0.999)[0] == [OTHER]
    assert classifier.classify(between)[0] != [OTHER]


def test_no_embeddings_no_labels(classifier: DomainClassifier) -> None:
    labels, scores = classifier.classify(np.zeros((0, 2), dtype=np.float32))
    assert labels == []
    assert scores.shape == (0,)


def test_two_domains_are_enough() -> None:
    two = DomainClassifier.fit({"east": ["e"] * 4, "west": ["w"] * 4}, encode)
    assert two.classify(np.array([[1, 0], [-1, 0]], dtype=np.float32))[0] == ["east", "west"]


def test_saved_and_loaded_it_scores_the_same(classifier: DomainClassifier, tmp_path: Path) -> None:
    classifier.save(tmp_path)
    loaded = DomainClassifier.load(tmp_path)
    points = encode(["n", "e", "w"])
    assert loaded.domains == classifier.domains
    np.testing.assert_array_equal(loaded.probabilities(points), classifier.probabilities(points))


def test_loading_from_an_empty_folder_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no domain classifier"):
        DomainClassifier.load(tmp_path)


def test_the_temperature_calibrates_overconfident_scores() -> None:
    """Scores that are right in 70% of the cases, however sure they look, must come out near 0.7."""
    labels = np.zeros(1000, dtype=np.int64)
    scores = np.tile([10.0, 0.0], (1000, 1))
    scores[:300] = [0.0, 10.0]
    temperature = fit_temperature(scores, labels)
    assert softmax(scores / temperature).max(axis=1).mean() == pytest.approx(0.7, abs=0.01)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("banking: [a, b]", "at least 2"),
        ("banking: [a, b]\ntravel: [c]", "has 1 texts"),
        ("banking: [a, b]\n银行: [c, d]", "lower-case ASCII"),
        ("banking: [a, b]\ntravel: words", "list of texts"),
        ("banking: [a, 3]\ntravel: [c, d]", "list of texts"),
        ("[a, b]", "not a mapping"),
        ("a: [b", "not valid YAML"),
    ],
)
def test_seeds_that_cannot_be_used_say_why(tmp_path: Path, text: str, rule: str) -> None:
    file = tmp_path / "seeds.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=rule):
        read_seeds(str(file))


def test_missing_seeds_are_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_seeds(str(tmp_path / "none.yaml"))


def test_the_example_seeds_can_be_read(examples: Path) -> None:
    seeds = read_seeds(str(examples / "domains.yaml"))
    assert {"banking", "telecom"} <= seeds.keys()
