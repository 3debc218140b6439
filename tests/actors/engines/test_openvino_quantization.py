from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from actors.engines.openvino_quantization import quantized_rows

WEIGHTS = arrays(np.float32, (3, 2, 8), elements=st.floats(-100, 100, width=32))


@pytest.mark.parametrize(("bits", "group"), [(8, 8), (4, 4), (4, 2)])
@given(weight=WEIGHTS)
def test_no_weight_is_further_off_than_a_step(bits: int, group: int, weight: np.ndarray) -> None:
    """Half a step, and what the rounding of the scale to float16 (2^-11) adds to the largest weight."""
    values, scales = quantized_rows(weight, bits, group)
    largest = 2 ** (bits - 1) - 1
    assert values.shape == (3, 2, 8 // group, group) and np.abs(values.astype(int)).max(initial=0) <= largest
    found = (values * scales.astype(np.float32)).reshape(weight.shape)
    step = np.repeat(scales.astype(np.float32)[..., 0], group, axis=-1)
    assert (np.abs(found - weight) <= step * (0.5 + largest * 2**-10) + 1e-6).all()


def test_zeros_stay_zeros() -> None:
    values, scales = quantized_rows(np.zeros((1, 2, 4), np.float32), 8, 4)
    assert not values.any() and np.isfinite(scales).all()
