"""A mixture of experts as an OpenVINO graph.

Each token is copied once for each of its experts, the copies are put in order of their expert, and one grouped
multiplication (`GroupedMatMul`, opset 17) takes every copy through its own expert's matrix. Experts that no token
uses are not read.

Shape letters: B batch, L new tokens, T = B * L, D hidden, N experts, A experts that a token uses, I an expert's width.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from openvino import Node
from openvino import opset15 as op
from openvino.opset17 import grouped_matmul

from actors.engines import openvino_blocks as blocks
from actors.engines.openvino_architecture import Experts


@dataclass(frozen=True)
class Stacks:
    """The weights of all experts: gate and up (N, I, D), down (N, D, I)."""

    gate: Node
    up: Node
    down: Node


def mixture(x: Node, router: Node, stacks: Stacks, sizes: Experts) -> Node:
    """x (B, L, D) through the experts that `router` (N, D) picks for each token, (B, L, D)."""
    hidden = x.get_output_partial_shape(0)[2].get_length()
    tokens = op.reshape(x, blocks.integers(-1, hidden), False)
    chosen, shares = _route(tokens, router, sizes)
    order = _order(op.reshape(chosen, blocks.integers(-1), False), sizes.count)
    # (T, D) -> (T * A, D): the copies of a token stand side by side.
    copies = op.tile(op.unsqueeze(tokens, blocks.integer(1)), blocks.integers(1, sizes.used, 1))
    copies = op.gather(op.reshape(copies, blocks.integers(-1, hidden), False), order.sources, blocks.integer(0))
    gate, up = (grouped_matmul(copies, weight, order.ends) for weight in (stacks.gate, stacks.up))
    answers = grouped_matmul(blocks.gated(gate, up), stacks.down, order.ends)
    by_token = op.reshape(
        op.gather(answers, order.places, blocks.integer(0)), blocks.integers(-1, sizes.used, hidden), False
    )
    mixed = op.reduce_sum(op.multiply(by_token, op.unsqueeze(shares, blocks.integer(2))), blocks.integers(1), False)
    return op.reshape(mixed, op.shape_of(x, "i64"), False)


def _route(tokens: Node, router: Node, sizes: Experts) -> tuple[Node, Node]:
    """For each token, its experts (T, A) int64 and their shares (T, A)."""
    probabilities = op.softmax(op.matmul(tokens, router, False, True), 1)
    top = op.topk(probabilities, blocks.integer(sizes.used), 1, "max", "value", "i64")
    chosen, shares = top.output(1), top.output(0)
    if sizes.normalised:
        shares = op.divide(shares, op.reduce_sum(shares, blocks.integers(1), True)).output(0)
    return chosen, shares


@dataclass(frozen=True)
class _Order:
    """Copies in the order of their experts.

    Attributes:
        places: where each copy goes, (T * A,).
        sources: which copy stands at each place, (T * A,): the inverse of `places`.
        ends: where each expert's copies end, (N,).
    """

    places: Node
    sources: Node
    ends: Node


def _order(experts: Node, count: int) -> _Order:
    """A stable counting sort of the copies by expert; experts: (T * A,) int64."""
    one, none = op.constant(np.int32(1)), op.constant(np.int32(0))
    marks = op.one_hot(experts, blocks.integer(count), one, none, -1)  # (T * A, N)
    counts = op.reduce_sum(marks, blocks.integers(0), False)
    ends = op.cumsum(counts, blocks.integer(0))
    earlier = op.cumsum(marks, blocks.integer(0), True)  # copies before this one with the same expert
    begins = op.unsqueeze(op.subtract(ends, counts), blocks.integer(0))
    places = op.reduce_sum(op.multiply(marks, op.add(earlier, begins)), blocks.integers(1), False)
    total = op.shape_of(experts, "i64")
    numbers = op.convert(
        op.range(blocks.integer(0), op.squeeze(total, blocks.integer(0)), blocks.integer(1), "i64"), "i32"
    )
    sources = op.scatter_elements_update(op.broadcast(none, total), places, numbers, blocks.integer(0))
    return _Order(places, sources, ends)
