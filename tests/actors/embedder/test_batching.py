"""Batches of equal padding, and their size."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.embedder.batching import choose_batch_size, groups_of_equal_padding, pad_multiple


@pytest.mark.parametrize(("longest", "multiple"), [(512, 32), (256, 32), (510, 2), (72, 8), (77, 1), (None, 32)])
def test_a_padded_text_is_never_longer_than_the_model_takes(longest: int | None, multiple: int) -> None:
    assert pad_multiple(longest) == multiple


@given(st.lists(st.integers(1, 600), max_size=30), st.sampled_from([1, 8, 32]))
def test_every_text_is_in_one_group_with_those_of_its_padding(lengths: list[int], multiple: int) -> None:
    groups = groups_of_equal_padding(lengths, multiple)
    assert sorted(place for _, places in groups for place in places) == list(range(len(lengths)))
    for padded, places in groups:
        assert padded % multiple == 0
        assert all(padded - multiple < lengths[place] <= padded for place in places)
    assert [padded for padded, _ in groups] == sorted({padded for padded, _ in groups}, reverse=True)


@given(st.lists(st.integers(1, 600), min_size=1, max_size=30))
def test_a_text_is_padded_alike_whatever_it_comes_with(lengths: list[int]) -> None:
    together = {place: padded for padded, places in groups_of_equal_padding(lengths, 32) for place in places}
    alone = [groups_of_equal_padding([length], 32)[0][0] for length in lengths]
    assert [together[place] for place in range(len(lengths))] == alone


def test_doubling_goes_on_while_it_helps() -> None:
    rates = {1: 10.0, 2: 19.0, 4: 30.0, 8: 30.5, 16: 99.0}
    tried: list[int] = []
    assert choose_batch_size(lambda size: tried.append(size) or rates[size], 64) == 4  # type: ignore[func-returns-value]
    assert tried == [1, 2, 4, 8]


def test_the_largest_batch_is_a_limit() -> None:
    assert choose_batch_size(float, 16) == 16
    assert choose_batch_size(float, 1) == 1


def test_what_memory_does_not_hold_is_not_chosen() -> None:
    def measure(size: int) -> float:
        if size > 4:
            raise MemoryError
        return float(size)

    assert choose_batch_size(measure, 64) == 4


def test_places_are_numbers_to_index_with() -> None:
    ((padded, places),) = groups_of_equal_padding([3, 5], 32)
    assert padded == 32 and places.dtype == np.int64
