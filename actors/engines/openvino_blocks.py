"""The blocks of a decoder as OpenVINO graphs, one function per block.

openvino-genai recognises attention by its pattern (a stateful KV cache, scaled dot-product attention and a mask)
and replaces it with paged attention, so these graphs keep to the form that its passes look for.

Shape letters: B batch, L new tokens, K tokens in the cache after them, D hidden, H query heads, G KV heads,
E head size. Inputs: input_ids, position_ids (B, L) int64, attention_mask (B, K) int64, beam_idx (B,) int32.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import openvino as ov
from openvino import Node, PartialShape, Type
from openvino import opset15 as op
from openvino.op.util import Variable, VariableInfo


def integers(*values: int) -> Node:
    """A constant vector of int64."""
    return op.constant(np.array(values, dtype=np.int64))


def integer(value: int) -> Node:
    """A constant scalar of int64."""
    return op.constant(np.int64(value))


def scalar(value: float) -> Node:
    """A constant scalar of float32."""
    return op.constant(np.float32(value))


def dimension(of: Node, axis: int) -> Node:
    """The length of an axis at run time, () int64."""
    return op.gather(op.shape_of(of, "i64"), integer(axis), integer(0))


def linear(x: Node, weight: Node, bias: Node | None, name: str) -> Node:
    """x (B, L, in) times weight (out, in) transposed."""
    product = op.matmul(x, weight, False, True)
    product.set_friendly_name(name)
    return product if bias is None else op.add(product, bias)


def rms_norm(x: Node, weight: Node, eps: float) -> Node:
    """Root mean square norm over the last axis (Zhang and Sennrich, 2019)."""
    variance = op.reduce_mean(op.power(x, scalar(2.0)), integers(-1), True)
    scale = op.divide(scalar(1.0), op.sqrt(op.add(variance, scalar(eps))))
    return op.multiply(op.multiply(x, scale), weight)


@dataclass(frozen=True)
class Rotary:
    """Cosines and sines of the rotary embedding for the new tokens, each (B, 1, L, E)."""

    cos: Node
    sin: Node
    half: int

    def rotate(self, x: Node) -> Node:
        """x (B, heads, L, E), its two halves of the last axis turned against each other (Su et al., 2021)."""
        first = op.slice(x, integers(0), integers(self.half), integers(1), integers(3))
        second = op.slice(x, integers(self.half), integers(2**62), integers(1), integers(3))
        turned = op.concat([op.multiply(second, scalar(-1.0)), first], -1)
        return op.add(op.multiply(x, self.cos), op.multiply(turned, self.sin))


def rotary(position_ids: Node, frequencies: np.ndarray, factor: float) -> Rotary:
    """The rotary embedding of the positions.

    Args:
        frequencies: (E / 2,) float32, radians per position.
        factor: scales cosines and sines (yarn; 1.0 otherwise).
    """
    half = len(frequencies)
    batch = op.unsqueeze(dimension(position_ids, 0), integer(0))
    column = op.constant(frequencies.reshape(1, half, 1).astype(np.float32))
    column = op.broadcast(column, op.concat([batch, integers(half, 1)], 0))
    positions = op.convert(op.unsqueeze(position_ids, integer(1)), "f32")
    angles = op.transpose(op.matmul(column, positions, False, False), integers(0, 2, 1))
    angles = op.unsqueeze(op.concat([angles, angles], -1), integer(1))
    cos, sin = op.cos(angles), op.sin(angles)
    if factor != 1.0:
        cos, sin = op.multiply(cos, scalar(factor)), op.multiply(sin, scalar(factor))
    return Rotary(cos, sin, half)


def causal_mask(input_ids: Node, attention_mask: Node) -> Node:
    """What is added to the attention scores, (B, 1, L, K): 0 where a token may look, else the lowest float."""
    new, total = dimension(input_ids, 1), dimension(attention_mask, 1)
    keys = op.range(integer(0), total, integer(1), "i64")
    queries = op.range(op.subtract(total, new), total, integer(1), "i64")
    causal = op.less_equal(op.unsqueeze(keys, integer(0)), op.unsqueeze(queries, integer(1)))
    padded = op.unsqueeze(op.convert(attention_mask, "boolean"), integers(1, 2))
    visible = op.logical_and(op.unsqueeze(causal, integers(0, 1)), padded)
    return op.select(visible, scalar(0.0), scalar(float(np.finfo(np.float32).min)))


def cache(fresh: Node, beam_idx: Node, name: str) -> tuple[Node, Any]:
    """Append fresh (B, G, L, E) to the state of that name: all keys or values (B, G, K, E), and the state's sink."""
    _, heads, _, size = (fresh.get_output_partial_shape(0)[axis] for axis in range(4))
    shape = PartialShape([-1, heads.get_length(), -1, size.get_length()])
    info = VariableInfo()
    info.data_shape, info.data_type, info.variable_id = shape, Type.f32, name
    state = Variable(info)
    batch = op.unsqueeze(dimension(fresh, 0), integer(0))
    empty = op.concat([batch, integers(heads.get_length(), 0, size.get_length())], 0)
    before = ov.opset6.read_value(op.broadcast(scalar(0.0), empty), state)
    everything = op.concat([op.gather(before, beam_idx, integer(0)), fresh], 2)
    return everything, ov.opset6.assign(everything, state)


def repeat_heads(x: Node, times: int) -> Node:
    """x (B, G, K, E) with every head `times` over: (B, G * times, K, E)."""
    if times == 1:
        return x
    _, heads, _, size = (x.get_output_partial_shape(0)[axis] for axis in range(4))
    batch, length = (op.unsqueeze(dimension(x, axis), integer(0)) for axis in (0, 2))
    shape = op.concat([batch, integers(heads.get_length(), times), length, integers(size.get_length())], 0)
    repeated = op.broadcast(op.unsqueeze(x, integer(2)), shape, "BIDIRECTIONAL")
    return op.reshape(repeated, integers(0, heads.get_length() * times, -1, size.get_length()), True)


def split_heads(x: Node, heads: int, size: int) -> Node:
    """(B, L, heads * E) to (B, L, heads, E)."""
    return op.reshape(x, integers(0, 0, heads, size), True)


def heads_first(x: Node) -> Node:
    """(B, L, heads, E) to (B, heads, L, E), and back."""
    return op.transpose(x, integers(0, 2, 1, 3))


def attention(query: Node, keys: Node, values: Node, mask: Node) -> Node:
    """Grouped-query attention: query (B, H, L, E), keys and values (B, G, K, E); result (B, L, H * E)."""
    heads, size = (query.get_output_partial_shape(0)[axis].get_length() for axis in (1, 3))
    times = heads // keys.get_output_partial_shape(0)[1].get_length()
    scale = scalar(size**-0.5)
    mixed = op.scaled_dot_product_attention(
        query, repeat_heads(keys, times), repeat_heads(values, times), mask, scale, False
    )
    return op.reshape(heads_first(mixed), integers(0, 0, heads * size), True)


def gated(gate: Node, up: Node) -> Node:
    """The SwiGLU activation (Shazeer, 2020)."""
    return op.multiply(op.swish(gate), up)
