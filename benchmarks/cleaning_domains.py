"""How well the domain classifier tells domains apart, beside TF-IDF and logistic regression of scikit-learn.

    python -m benchmarks cleaning_domains              # both sets: a quarter of an hour, nearly all of it the other's
    python -m benchmarks cleaning_domains tnews        # headlines, 15 classes
    python -m benchmarks cleaning_domains csldcp       # abstracts of papers, 67 classes

Seeds are FewCLUE's training texts: all of them, and 16 for each class, drawn three times (the median is given). The
score is macro-F1 on the development set. `danlu` is the default: terms of the texts; `danlu, embeddings` is what an
embedder that is named gets, here the one fitted to all training texts. The other is TF-IDF of character 1- to 3-grams
with the better C of two, chosen in its favour on the development set itself (and twice the time). `calibration error`
is ours on the development set. The sets lie in the folder DANLU_DATA.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from actors.domain_classifier import DomainClassifier, Terms
from actors.domain_classifier.held_out import calibration_error
from actors.embedder import fit_embedder
from benchmarks.machine import describe_measurement
from benchmarks.tables import Cell, add_write_option, markdown_table, publish
from danlu.errors import InputError
from pipelines.cleaning.keys import comparison_key

_SETS = ("tnews", "csldcp")
_SHOTS, _DRAWS = 16, 3
_C = (1.0, 10.0)


@dataclass(frozen=True)
class Texts:
    """Texts and the number of each one's class, (n,) int."""

    texts: list[str]
    labels: np.ndarray


@dataclass(frozen=True)
class Scored:
    """Macro-F1 on the development set, seconds for fitting and classifying, calibration error where it is known."""

    macro_f1: float
    seconds: float
    calibration_error: float | None = None


def read_set(name: str, data: Path) -> tuple[Texts, Texts]:
    """Training and development texts.

    Raises:
        InputError: the set is not there.
    """
    parts = [_rows(data / "fewclue" / name / f"{part}_few_all.json") for part in ("train", "dev")]
    classes = {label: number for number, label in enumerate(sorted({label for _, label in parts[0]}))}
    known = [[(text, classes[label]) for text, label in part if label in classes] for part in parts]
    train, dev = (Texts([text for text, _ in part], np.array([label for _, label in part])) for part in known)
    return train, dev


def _rows(file: Path) -> list[tuple[str, str]]:
    """(text, label); tnews calls them sentence and label, csldcp content and label."""
    try:
        rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    except FileNotFoundError:
        raise InputError(f"{file} does not exist", fix="set DANLU_DATA") from None
    return [(row.get("sentence") or row["content"], str(row["label"])) for row in rows]


def draw(labels: np.ndarray, shots: int, seed: int) -> np.ndarray:
    """Places of at most `shots` random texts of each class, ascending."""
    places: dict[int, list[int]] = defaultdict(list)
    for place, label in enumerate(labels.tolist()):
        places[label].append(place)
    chosen = random.Random(seed)
    return np.array(sorted(p for own in places.values() for p in chosen.sample(own, min(shots, len(own)))))


def score_terms(train: Texts, dev: Texts, chosen: np.ndarray) -> Scored:
    """danlu's classifier on terms."""
    began = time.perf_counter()
    keys = [[comparison_key(text) for text in texts] for texts in (train.texts, dev.texts)]
    terms = Terms.fit([keys[0][place] for place in chosen.tolist()])
    scored = score_ours(train, dev, chosen, (terms(keys[0]), terms(keys[1])))
    return replace(scored, seconds=time.perf_counter() - began)


def score_ours(train: Texts, dev: Texts, chosen: np.ndarray, vectors: tuple[Any, Any]) -> Scored:
    """danlu's classifier on `vectors`, (n_train, dim) and (n_dev, dim)."""
    began = time.perf_counter()
    place_of = {str(place): place for place in chosen.tolist()}
    seeds = {
        f"class-{label}": [str(place) for place in chosen.tolist() if train.labels[place] == label]
        for label in range(int(train.labels.max()) + 1)
    }
    classifier = DomainClassifier.fit(seeds, lambda names: vectors[0][[place_of[name] for name in names]])
    probabilities = classifier.probabilities(vectors[1])
    found = probabilities.argmax(axis=1)
    error = calibration_error(probabilities.max(axis=1), found == dev.labels)
    return Scored(_macro_f1(dev.labels, found), time.perf_counter() - began, error)


def score_tfidf(train: Texts, dev: Texts, chosen: np.ndarray) -> Scored:
    """scikit-learn's way from the texts themselves: the better of two."""
    began = time.perf_counter()
    vectorizer = TfidfVectorizer(analyzer="char", ngram_range=(1, 3), sublinear_tf=True)
    fitted = vectorizer.fit_transform([train.texts[place] for place in chosen.tolist()])
    seen = vectorizer.transform(dev.texts)
    scores = []
    for c in _C:
        model = LogisticRegression(C=c, max_iter=1000)
        scores.append(_macro_f1(dev.labels, model.fit(fitted, train.labels[chosen]).predict(seen)))
    return Scored(max(scores), time.perf_counter() - began)


def compare(name: str, data: Path, dimensions: int) -> str:
    """The table of a set; its rows are printed as they come."""
    train, dev = read_set(name, data)
    model = fit_embedder(train.texts, dimensions)
    encode = {"batch_size": 256, "normalize_embeddings": True, "show_progress_bar": False}
    vectors = (np.asarray(model.encode(train.texts, **encode)), np.asarray(model.encode(dev.texts, **encode)))
    few = [draw(train.labels, _SHOTS, seed) for seed in range(_DRAWS)]
    print(f"{name}: {len(train.texts):,} training texts, {len(dev.texts):,} development texts", flush=True)
    ways: dict[str, Callable[[np.ndarray], Scored]] = {
        "danlu": lambda chosen: score_terms(train, dev, chosen),
        "danlu, embeddings": lambda chosen: score_ours(train, dev, chosen, vectors),
        "TF-IDF + logistic regression": lambda chosen: score_tfidf(train, dev, chosen),
    }
    rows = [
        _row(seeds, way, [score(chosen) for chosen in drawn])
        for seeds, drawn in (("all", [np.arange(len(train.texts))]), (f"{_SHOTS} a class", few))
        for way, score in ways.items()
    ]
    columns = [name, "seeds", "macro-F1", "calibration error", "seconds"]
    note = f"{len(train.texts):,} training texts, {len(dev.texts):,} development texts"
    return f"{markdown_table(columns, rows)}\n\n{note}."


def _row(seeds: str, way: str, scored: Sequence[Scored]) -> list[Cell]:
    macro_f1 = statistics.median(one.macro_f1 for one in scored)
    seconds = statistics.median(one.seconds for one in scored)
    errors = [one.calibration_error for one in scored if one.calibration_error is not None]
    error = statistics.median(errors) if errors else None
    print(f"  seeds {seeds:10} {way:30} macro-F1 {macro_f1:.3f}, {seconds:.1f} s", flush=True)
    return [way, seeds, macro_f1, error, f"{seconds:.1f}"]


def _macro_f1(labels: np.ndarray, found: np.ndarray) -> float:
    return float(f1_score(labels, found, average="macro"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", help=f"of {', '.join(_SETS)} [default: all]")
    parser.add_argument("--dimensions", type=int, default=384, help="of the embedder")
    add_write_option(parser)
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.sets) - set(_SETS))
    if unknown:
        parser.error(f"no set {unknown[0]}; the sets are {', '.join(_SETS)}")
    data = Path(os.environ.get("DANLU_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
    for name in arguments.sets or _SETS:
        table = compare(name, data, arguments.dimensions)
        note = describe_measurement(f"python -m benchmarks cleaning_domains {name}")
        publish(f"cleaning_domains.{name}", f"{table} {note}", arguments.write)


if __name__ == "__main__":
    main()
