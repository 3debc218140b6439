"""What is cut can be joined again."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipelines.training.shards import Shard, cut, join, mark_whole, shard_of, sharded_parameters


@given(st.integers(0, 2), st.integers(1, 4), st.integers(1, 3))
def test_parts_joined_are_the_whole(axis: int, parts: int, groups: int) -> None:
    shape = [2, 3, 5]
    shape[axis] *= parts * groups
    full = torch.randn(shape)
    shards = [Shard("weight", axis, part, parts, groups) for part in range(parts)]
    pieces = [cut(full, shard) for shard in shards]
    assert all(piece.shape[axis] * parts == full.shape[axis] for piece in pieces)
    assert torch.equal(join(pieces, shards[0]), full)


def test_the_halves_of_a_fused_matrix_are_cut_separately() -> None:
    fused = torch.tensor([[0], [1], [2], [3], [10], [11], [12], [13]])  # gate on top of up
    assert cut(fused, Shard("gate_up", 0, 1, 2, groups=2)).flatten().tolist() == [2, 3, 12, 13]


def test_a_whole_parameter_is_its_own_part() -> None:
    full, shard = torch.ones(3), Shard("norm")
    part = cut(full, shard)
    assert torch.equal(part, full) and part.data_ptr() != full.data_ptr()
    assert join([part], shard) is part
    with pytest.raises(AssertionError):
        join([part, part], shard)


def test_a_tied_parameter_has_one_shard() -> None:
    network = torch.nn.Sequential(torch.nn.Linear(2, 2, bias=False), torch.nn.Linear(2, 2, bias=False))
    network[1].weight = network[0].weight
    mark_whole(network)
    assert [shard for shard, _ in sharded_parameters(network)] == [Shard("0.weight")]
    assert shard_of(network[1].weight) == Shard("0.weight")
