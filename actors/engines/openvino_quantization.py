"""Storing an OpenVINO model's weights in fewer bits: by NNCF, and here those of experts, which it passes over."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np

from actors.engines.settings import GROUP_SIZE

QuantizedWeights = Literal["int8", "int4"]


def quantize(
    model: Any, weights: QuantizedWeights, group_size: int = GROUP_SIZE, texts: Sequence[Sequence[int]] = ()
) -> Any:
    """The model with its matrices in integers, symmetric: one scale per row (int8) or per group of a row (int4).

    In int4 the embedding and the head stay int8, as NNCF does by default.

    Args:
        model: an ov.Model with weights in float32; it is changed.
        group_size: int4: where a matrix's width is no multiple of it, a smaller one is taken.
        texts: int4: token ids of calibration texts; empty fits scales to the weights alone.
    """
    import nncf

    _quantize_experts(model, weights, group_size)
    nncf.set_log_level(logging.ERROR)
    with contextlib.redirect_stdout(io.StringIO()):  # NNCF draws progress bars of its own
        if weights == "int8":
            return nncf.compress_weights(model, mode=nncf.CompressWeightsMode.INT8_SYM)
        fitted = {"dataset": nncf.Dataset([_inputs(ids) for ids in texts]), "awq": True, "scale_estimation": True}
        return nncf.compress_weights(
            model,
            mode=nncf.CompressWeightsMode.INT4_SYM,
            group_size=group_size,
            advanced_parameters=nncf.AdvancedCompressionParameters(
                group_size_fallback_mode=nncf.GroupSizeFallbackMode.ADJUST
            ),
            **(fitted if texts else {}),
        )


def quantized_rows(weight: np.ndarray, bits: int, group_size: int) -> tuple[np.ndarray, np.ndarray]:
    """Symmetric integers and their scales for a weight (..., columns) float32.

    Returns:
        values: (..., groups, group_size) int8, within -2^(bits-1)+1 and 2^(bits-1)-1.
        scales: (..., groups, 1) float16; values * scales is near the weight.
    """
    groups = weight.reshape(*weight.shape[:-1], -1, group_size)
    largest = 2 ** (bits - 1) - 1
    tiny = np.float32(np.finfo(np.float16).tiny)  # a row of zeros has no scale of its own
    scales = np.maximum(np.abs(groups).max(-1, keepdims=True) / largest, tiny).astype(np.float16)
    values = np.clip(np.rint(groups / scales.astype(np.float32)), -largest, largest)
    return values.astype(np.int8), scales


def _quantize_experts(model: Any, weights: QuantizedWeights, group_size: int) -> None:
    """Quantize the weights of every GroupedMatMul, an operation that NNCF leaves alone."""
    for node, stack in _expert_weights(model):
        columns = stack.shape[-1]
        # NNCF's rule as well: the largest power of two that the width can be cut into.
        width = columns if weights == "int8" else next(g for g in _sizes(group_size) if columns % g == 0)
        values, scales = quantized_rows(stack, 8 if weights == "int8" else 4, width)
        node.input(1).replace_source_output(_widened(values, scales, stack.shape, weights).output(0))


def _sizes(group_size: int) -> Iterator[int]:
    while group_size > 1:
        yield group_size
        group_size //= 2
    yield 1


def _expert_weights(model: Any) -> Iterator[tuple[Any, np.ndarray]]:
    """Each GroupedMatMul with its constant weights in float32."""
    for node in list(model.get_ops()):
        if node.get_type_name() == "GroupedMatMul":
            yield node, node.input_value(1).get_node().data.astype(np.float32, copy=False)


def _widened(values: np.ndarray, scales: np.ndarray, shape: tuple[int, ...], weights: QuantizedWeights) -> Any:
    """The graph from stored integers to float32: convert, multiply by the scales, and join the groups."""
    import openvino as ov
    from openvino import opset15 as op

    if weights == "int8":
        stored = op.constant(values.reshape(shape))
        scaled = op.multiply(op.convert(stored, "f16"), op.constant(scales.reshape(*shape[:-1], 1)))
        return op.convert(scaled, "f32")
    packed = (values[..., 0::2] & 0xF) | ((values[..., 1::2] & 0xF) << 4)
    tensor = ov.Tensor(np.ascontiguousarray(packed.view(np.uint8)), ov.Shape(list(values.shape)), ov.Type.i4)
    scaled = op.multiply(op.convert(op.constant(tensor, shared_memory=False), "f16"), op.constant(scales))
    joined = op.reshape(scaled, op.constant(np.array(shape, dtype=np.int64)), False)
    return op.convert(joined, "f32")


def _inputs(ids: Sequence[int]) -> dict[str, Any]:
    """A calibration text as the model's inputs."""
    return {
        "input_ids": np.asarray([ids], dtype=np.int64),
        "attention_mask": np.ones((1, len(ids)), dtype=np.int64),
        "position_ids": np.arange(len(ids), dtype=np.int64)[None],
        "beam_idx": np.zeros(1, dtype=np.int32),
    }
