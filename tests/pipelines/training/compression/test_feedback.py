"""Nothing is lost over time, and what is kept back stays small."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from pipelines.training.compression.feedback import compress
from pipelines.training.compression.signs import decode


@given(st.integers(1, 12), st.integers(1, 64), st.integers(0, 2**32 - 1))
def test_messages_and_the_last_error_add_up_to_the_values(steps: int, block: int, seed: int) -> None:
    random = torch.Generator().manual_seed(seed)
    error = torch.zeros(2, 40)
    values, told = torch.zeros(2, 40), torch.zeros(2, 40)
    for _ in range(steps):
        value = torch.randn(2, 40, generator=random)
        values += value
        told += decode(compress(value.clone(), error, block), 40, block)
    torch.testing.assert_close(told + error, values, atol=1e-4, rtol=0)


def test_the_error_does_not_grow() -> None:
    random = torch.Generator().manual_seed(0)
    error = torch.zeros(1, 4096)
    norms = []
    for _ in range(400):
        compress(torch.randn(1, 4096, generator=random), error, 512)
        norms.append(float(error.norm()))
    assert max(norms[200:]) < 1.2 * max(norms[:200])


def test_a_constant_is_told_right_on_average() -> None:
    value = torch.linspace(-1, 1, 64).view(1, 64)
    error = torch.zeros(1, 64)
    told = sum(decode(compress(value.clone(), error, 64), 64, 64) for _ in range(400))
    torch.testing.assert_close(told / 400, value, atol=0.05, rtol=0)
