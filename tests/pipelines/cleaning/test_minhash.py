"""Sketches, bands, and the pairs they find."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.cleaning.concatenation import Concatenation
from pipelines.cleaning.minhash import (
    BANDS,
    SKETCH_SIZE,
    band_keys,
    candidate_pairs,
    estimate_jaccard,
    jaccard,
    jaccards,
    shingle_sets,
    shingles,
    shorten,
    sketch,
)


def _sets(similarity: float, size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two sets of random hashes with the given Jaccard similarity."""
    common = round(2 * size * similarity / (1 + similarity))
    values = np.random.default_rng(seed).integers(0, 2**64, 2 * size, dtype=np.uint64)
    return np.unique(values[:size]), np.unique(np.concatenate([values[:common], values[size : 2 * size - common]]))


@given(st.text(max_size=80))
def test_shingles_are_those_of_a_plain_set(text: str) -> None:
    plain = {text[i : i + 5] for i in range(max(len(text) - 4, 1))} if text else set()
    assert len(shingles(text)) == len(plain)


def test_equal_texts_have_equal_sketches_and_an_empty_one_none() -> None:
    assert (sketch(shingles("手机流量不够用")) == sketch(shingles("手机流量不够用"))).all()
    assert len(shingles("")) == 0
    assert (sketch(shingles("")) == np.iinfo(np.uint32).max).all()


@given(st.lists(st.text(max_size=12), max_size=6))
def test_many_texts_have_the_shingles_of_each(texts: list[str]) -> None:
    sets = shingle_sets(Concatenation.of(texts))
    assert [each.tolist() for each in sets] == [shingles(text).tolist() for text in texts]


@pytest.mark.parametrize("size", [20, 60, 500])
@pytest.mark.parametrize("similarity", [0.2, 0.5, 0.8])
def test_agreement_of_sketches_estimates_jaccard(similarity: float, size: int) -> None:
    """Also of texts with fewer shingles than a sketch has rows."""
    estimates = []
    for seed in range(40):
        a, b = _sets(similarity, size, seed)
        estimates.append(estimate_jaccard(sketch(a), sketch(b)[None])[0])
    standard_error = (similarity * (1 - similarity) / SKETCH_SIZE) ** 0.5
    exact = jaccard(*_sets(similarity, size, 0))
    assert np.mean(estimates) == pytest.approx(exact, abs=4 * standard_error / 40**0.5)
    assert np.std(estimates) < 1.5 * standard_error


def test_pairs_at_half_similarity_are_found_and_strangers_are_not() -> None:
    pairs = [_sets(0.5, 300, seed) for seed in range(150)]
    sketches = np.stack([sketch(hashes) for pair in pairs for hashes in pair])
    found = {tuple(pair) for pair in candidate_pairs(band_keys(sketches), shorten(sketches), 0.3).tolist()}
    wanted = {(2 * place, 2 * place + 1) for place in range(len(pairs))}
    assert len(wanted & found) >= 0.97 * len(wanted)
    assert found <= wanted


def test_a_bucket_of_equal_sketches_is_connected() -> None:
    sketches = np.tile(sketch(shingles("同一篇文档")), (200, 1))
    found = candidate_pairs(band_keys(sketches), sketches, 0.9)
    assert {0, *found[found[:, 0] == 0][:, 1].tolist()} == set(range(200))
    assert len(found) < 200 * 20


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_documents(count: int) -> None:
    sketches = np.stack([sketch(shingles("一" * 9 + str(n))) for n in range(2)])[:count]
    assert candidate_pairs(band_keys(sketches), sketches, 0.99).shape == (0, 2)


def test_every_band_looks_at_its_own_rows() -> None:
    sketches = np.arange(2 * SKETCH_SIZE, dtype=np.uint32).reshape(2, -1)
    sketches[1, :3] = sketches[0, :3]
    keys = band_keys(sketches)
    assert (keys[0] == keys[1]).tolist() == [True] + [False] * (BANDS - 1)


def test_bands_that_are_looked_at_in_parts_find_the_same_pairs() -> None:
    sketches = np.stack([sketch(hashes) for seed in range(60) for hashes in _sets(0.5, 200, seed)])
    keys = band_keys(sketches)
    parts = [candidate_pairs(np.where(keys % 3 == part, keys, 0), sketches, 0.3) for part in range(3)]
    found = np.unique(np.concatenate(parts), axis=0)
    assert found.tolist() == candidate_pairs(keys, sketches, 0.3).tolist()


@given(st.lists(st.sets(st.integers(0, 40), max_size=30), max_size=6), st.sets(st.integers(0, 40), max_size=30))
def test_similarities_to_many_are_exact_from_the_least_on(others: list[set[int]], own: set[int]) -> None:
    def hashed(numbers: set[int]) -> np.ndarray:
        return np.sort(np.array(list(numbers), dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15))

    sets = [hashed(other) for other in others]
    exact = np.array([jaccard(hashed(own), other) for other in sets])
    found = jaccards(hashed(own), sets, 0.4)
    assert found.tolist() == np.where(exact >= 0.4, exact, 0.0).tolist()
