"""Cells of bounded size in which near vectors meet."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.cleaning.cells import plan_cells, split_cell


def _vectors(count: int, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(count, 8)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _members(vectors: np.ndarray, most: int, sample: int | None = None) -> list[np.ndarray]:
    """The documents of each cell, after cells that are too large were split."""
    found = plan_cells(vectors[:sample], len(vectors), most, 0).assign(vectors)
    whole = [np.flatnonzero((found == cell).any(axis=1)) for cell in np.unique(found)]
    return [cell[part] for cell in whole for part in split_cell(vectors[cell], most, 0)]


def test_a_small_corpus_is_one_cell() -> None:
    (only,) = _members(_vectors(50), 100)
    assert only.tolist() == list(range(50))


@pytest.mark.parametrize(("count", "most", "sample"), [(300, 50, 300), (2000, 100, 200), (101, 100, 3), (900, 50, 2)])
def test_cells_are_bounded_and_hold_everything(count: int, most: int, sample: int) -> None:
    cells = _members(_vectors(count), most, sample)
    assert max(map(len, cells)) <= most
    membership = np.bincount(np.concatenate(cells), minlength=count)
    assert membership.min() >= 1
    assert membership.max() <= 4


def test_equal_vectors_are_still_bounded() -> None:
    cells = _members(np.ones((500, 8), dtype=np.float32), 60)
    assert max(map(len, cells)) <= 60
    assert set(np.concatenate(cells).tolist()) == set(range(500))


def test_near_vectors_meet_in_a_cell() -> None:
    base = _vectors(1000)
    twins = base + np.random.default_rng(1).normal(scale=0.02, size=base.shape).astype(np.float32)
    cells = [set(cell.tolist()) for cell in _members(np.concatenate([base, twins]), 200)]
    met = sum(any(number in cell and number + 1000 in cell for cell in cells) for number in range(1000))
    assert met >= 995


def test_the_same_vectors_give_the_same_cells() -> None:
    first, second = (_members(_vectors(400), 50) for _ in range(2))
    assert [cell.tolist() for cell in first] == [cell.tolist() for cell in second]
