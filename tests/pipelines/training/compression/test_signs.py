"""One bit per element and a scale per block survive the way there and back."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from pipelines.training.compression.signs import block_means, decode, encode, message_bytes, pack, unpack

rows_and_bytes = st.tuples(st.integers(1, 4), st.integers(1, 40))


def normal(rows: int, elements: int, seed: int) -> torch.Tensor:
    return torch.randn(rows, elements, generator=torch.Generator().manual_seed(seed))


@given(rows_and_bytes, st.integers(0, 2**32 - 1))
def test_signs_come_back(shape: tuple[int, int], seed: int) -> None:
    rows, size = shape
    values = normal(rows, 8 * size, seed)
    packed = pack(values)
    assert packed.shape == (rows, size) and packed.dtype == torch.uint8
    assert torch.equal(unpack(packed), torch.where(values >= 0, 1.0, -1.0))


@given(st.binary(min_size=1, max_size=50))
def test_every_byte_stands_for_its_signs(data: bytes) -> None:
    packed = torch.tensor([list(data)], dtype=torch.uint8)
    assert torch.equal(pack(unpack(packed)), packed)


@given(rows_and_bytes, st.integers(1, 100), st.integers(0, 2**32 - 1))
def test_a_message_is_as_long_as_said_and_tells_signs_and_means(shape: tuple[int, int], block: int, seed: int) -> None:
    rows, size = shape
    values = normal(rows, 8 * size, seed)
    messages = encode(values, block)
    assert messages.shape == (rows, message_bytes(8 * size, block))
    for row, told in zip(values, decode(messages, 8 * size, block), strict=True):
        for one, other in zip(row.split(block), told.split(block), strict=True):
            assert torch.equal(other.sign(), torch.where(one >= 0, 1.0, -1.0))
            torch.testing.assert_close(other.abs(), one.abs().mean().expand(len(one)))


@given(st.integers(1, 40), st.integers(1, 100), st.integers(0, 2**32 - 1))
def test_no_other_magnitude_is_nearer(size: int, block: int, seed: int) -> None:
    values = normal(1, 8 * size, seed)
    told = decode(encode(values, block), 8 * size, block)
    nearest = (values - told).norm()
    assert all(nearest <= (values - told * other).norm() + 1e-6 for other in (0.9, 1.1))


def test_zeros_stay_zeros() -> None:
    assert torch.equal(decode(encode(torch.zeros(2, 24), 16), 24, 16), torch.zeros(2, 24))


def test_block_means_of_a_shorter_last_block() -> None:
    assert block_means(torch.tensor([[1.0, -3.0, 5.0]]), 2).tolist() == [[2.0, 5.0]]


def test_a_long_message_is_a_32nd_of_float32() -> None:
    elements = 2**20
    assert 31.7 < elements * 4 / message_bytes(elements, 4096) < 32
