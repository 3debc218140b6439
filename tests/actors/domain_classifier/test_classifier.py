"""Domains from seed texts: fitting, calibration, saving."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from actors.domain_classifier import OTHER, STARTER, DomainClassifier, read_seeds, seed_files
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
    assert classifier.held_out.accuracy > 0.8


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
    assert loaded.held_out == classifier.held_out
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


def test_figures_come_from_seeds_that_were_not_fitted_to() -> None:
    """Labels without any meaning are learnt by heart by 40 dimensions, and held-out figures are not taken in."""
    points = np.random.default_rng(5).normal(size=(60, 40)).astype(np.float32)
    seeds = {"heads": [str(n) for n in range(30)], "tails": [str(n) for n in range(30, 60)]}
    fitted = DomainClassifier.fit(seeds, lambda names: points[[int(name) for name in names]])
    own = fitted.probabilities(points).argmax(axis=1) == np.repeat([0, 1], 30)
    assert own.mean() > 0.85
    assert fitted.held_out.accuracy < 0.7
    assert fitted.probabilities(points).max(axis=1).mean() < 0.75  # and no score pretends to know


@pytest.mark.parametrize("texts", [["a", "b"], ["a", "a"]])
def test_two_seeds_for_each_domain_are_enough(texts: list[str]) -> None:
    points = {"a": [1.0, 0.1], "b": [1.0, -0.1], "c": [-1.0, 0.1], "d": [-1.0, -0.1]}
    other = ["c", "d"] if texts[0] != texts[1] else ["c", "c"]
    two = DomainClassifier.fit({"east": texts, "west": other}, lambda names: np.array([points[n] for n in names]))
    assert two.classify(np.array([[1, 0], [-1, 0]]))[0] == ["east", "west"]


def test_a_folder_puts_its_files_together(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("banking: [贷款, 存款, 贷款]\n", encoding="utf-8")
    labelled = [("航班", "travel"), ("酒店", "travel"), ("汇款", "banking")]
    lines = [json.dumps({"text": text, "label": label}, ensure_ascii=False) for text, label in labelled]
    (tmp_path / "b.jsonl").write_text("\n\n".join(lines), encoding="utf-8")
    (tmp_path / "notes.txt").write_text("passed over", encoding="utf-8")
    assert read_seeds(str(tmp_path)) == {"banking": ["贷款", "存款", "汇款"], "travel": ["航班", "酒店"]}


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ('{"text": "a", "label": "x"}\n{"text": "b"}', "line 2 is not a row"),
        ("{broken", "line 1 is not a row"),
        ('["a", "x"]', "line 1 is not a row"),
        ('{"text": null, "label": "x"}', "list of texts"),
        ('{"text": "a", "label": 7}', "lower-case ASCII"),
    ],
)
def test_rows_that_cannot_be_used_say_why(tmp_path: Path, text: str, rule: str) -> None:
    file = tmp_path / "seeds.jsonl"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=rule):
        read_seeds(str(file))


def test_a_text_in_two_domains_is_refused(tmp_path: Path) -> None:
    (tmp_path / "seeds.yaml").write_text("a: [one, two]\nb: [three, one]\n", encoding="utf-8")
    with pytest.raises(InputError, match="'one' is in a and in b"):
        read_seeds(str(tmp_path / "seeds.yaml"))


def test_the_starter_has_28_domains_of_different_texts() -> None:
    seeds = read_seeds(STARTER)
    texts = [text for domain in seeds.values() for text in domain]
    assert len(seeds) == 28
    assert min(len(domain) for domain in seeds.values()) >= 30
    assert len(set(texts)) == len(texts)
    assert all(file.endswith(f"/{domain}.yaml") for file, domain in zip(seed_files(STARTER), seeds, strict=True))


def test_the_example_seeds_can_be_read(examples: Path) -> None:
    seeds = read_seeds(str(examples / "domains.yaml"))
    assert {"banking", "telecom"} <= seeds.keys()
