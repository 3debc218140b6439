"""Hugging Face checkpoints as OpenVINO models that openvino-genai can serve.

Converts dense Qwen2, Qwen3 and Llama (tied or separate heads, biases, rope scaling) and the mixtures of Qwen3.
Everything else is refused: `read_architecture` says which part is not known. A checkpoint with tensors that the
network has no place for is refused as well, so a conversion is never silently partial.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
from openvino import Node, PartialShape, Type
from openvino import opset15 as op

from actors.engines import openvino_blocks as blocks
from actors.engines import openvino_experts as experts
from actors.engines.model_files import read_config
from actors.engines.openvino_architecture import Architecture, read_architecture
from actors.engines.openvino_weights import StoredAs, Weights
from danlu.errors import InputError, NotAvailableError


def convert_model(folder: Path, stored: StoredAs = "auto") -> ov.Model:
    """The checkpoint in `folder` as a stateful model: token ids in, logits (B, L, vocabulary) float32 out.

    Args:
        stored: how matrices are stored: `auto` as the checkpoint has them, else converted to that type.

    Raises:
        NotAvailableError: a part of the network is not known to the converter.
        InputError: the checkpoint is incomplete.
    """
    config = read_config(folder)
    architecture = read_architecture(config)
    weights = Weights(folder, stored)
    frequencies, factor = rotary_frequencies(folder, config, architecture)
    model = _Builder(architecture, weights).build(frequencies, factor)
    if unused := [name for name in weights.unused() if not _redundant(name, architecture)]:
        raise NotAvailableError(
            f"the checkpoint in {folder} holds tensors that its architecture has no place for",
            rule=", ".join(unused[:5]) + (f" and {len(unused) - 5} more" if len(unused) > 5 else ""),
        )
    return model


def rotary_frequencies(folder: Path, config: dict[str, Any], architecture: Architecture) -> tuple[np.ndarray, float]:
    """Radians per position, (E / 2,) float32, and the factor on cosines and sines."""
    if architecture.rope_type not in ("default", "dynamic"):
        return _scaled_frequencies(folder, architecture)
    rope = config.get("rope_parameters") or {}
    base = float(rope.get("rope_theta") or config.get("rope_theta") or 10_000.0)
    exponents = np.arange(0, architecture.head_size, 2, dtype=np.float32) / architecture.head_size
    return _checked((1.0 / base**exponents).astype(np.float32)), 1.0


def _scaled_frequencies(folder: Path, architecture: Architecture) -> tuple[np.ndarray, float]:
    """Those of a kind with parameters of its own, as transformers computes them."""
    from transformers import AutoConfig
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    try:
        scaled, factor = ROPE_INIT_FUNCTIONS[architecture.rope_type](AutoConfig.from_pretrained(folder), "cpu")
    except Exception as error:  # whatever transformers stumbles over in the parameters
        reason = f"transformers can't read its parameters ({type(error).__name__}: {error})"
        raise InputError(f"config.json: rope_type is {architecture.rope_type!r}", rule=reason) from None
    return _checked(scaled.float().numpy()), float(factor)


def _checked(frequencies: np.ndarray) -> np.ndarray:
    if not np.isfinite(frequencies).all():
        raise InputError("config.json: rope_parameters", rule="they give frequencies that are no numbers")
    return frequencies


class _Builder:
    """Puts the blocks together."""

    def __init__(self, architecture: Architecture, weights: Weights) -> None:
        self._sizes = architecture
        self._weights = weights
        self._sinks: list[Any] = []
        self._input_ids = _parameter("input_ids", Type.i64, [-1, -1])
        self._attention_mask = _parameter("attention_mask", Type.i64, [-1, -1])
        self._position_ids = _parameter("position_ids", Type.i64, [-1, -1])
        self._beam_idx = _parameter("beam_idx", Type.i32, [-1])

    def build(self, frequencies: np.ndarray, factor: float) -> ov.Model:
        """The whole network."""
        vocabulary, hidden = self._sizes.vocabulary, self._sizes.hidden
        embedding = self._weights.matrix("model.embed_tokens.weight", vocabulary, hidden)
        x = op.gather(embedding, op.convert(self._input_ids, "i32"), blocks.integer(0))
        rotary = blocks.rotary(self._position_ids, frequencies, factor)
        mask = blocks.causal_mask(self._input_ids, self._attention_mask)
        for layer in range(self._sizes.layers):
            prefix = f"model.layers.{layer}."
            attended = self._attention(self._norm(x, prefix + "input_layernorm", hidden), layer, rotary, mask)
            x = op.add(x, attended)
            inner = self._norm(x, prefix + "post_attention_layernorm", hidden)
            feed_forward = self._mixture if self._sizes.has_experts(layer) else self._mlp
            x = op.add(x, feed_forward(inner, prefix + "mlp."))
        head = embedding if self._sizes.tied else self._weights.matrix("lm_head.weight", vocabulary, hidden)
        logits = op.result(blocks.linear(self._norm(x, "model.norm", hidden), head, None, "lm_head"))
        logits.output(0).get_tensor().set_names({"logits"})
        inputs = [self._input_ids, self._attention_mask, self._position_ids, self._beam_idx]
        return ov.Model([logits], self._sinks, inputs, "decoder")

    def _attention(self, x: Node, layer: int, rotary: blocks.Rotary, mask: Node) -> Node:
        prefix = f"model.layers.{layer}.self_attn."
        query = rotary.rotate(self._heads(x, prefix, "q", self._sizes.heads))
        key = rotary.rotate(self._heads(x, prefix, "k", self._sizes.kv_heads))
        value = self._heads(x, prefix, "v", self._sizes.kv_heads)
        # The names by which openvino-genai pairs keys and values of a layer.
        state = f"past_key_values.{layer}.{{0}}present.{layer}.{{0}}"
        keys, key_sink = blocks.cache(key, self._beam_idx, state.format("key"))
        values, value_sink = blocks.cache(value, self._beam_idx, state.format("value"))
        self._sinks += [key_sink, value_sink]
        mixed = blocks.attention(query, keys, values, mask)
        return self._linear(mixed, prefix + "o_proj", self._sizes.hidden, self._sizes.heads * self._sizes.head_size)

    def _heads(self, x: Node, prefix: str, which: str, heads: int) -> Node:
        """A projection split into heads, (B, heads, L, E); queries and keys normed per head where there are norms."""
        name, size = f"{prefix}{which}_proj", self._sizes.head_size
        projected = self._linear(x, name, heads * size, self._sizes.hidden, biased=self._sizes.attention_bias)
        split = blocks.split_heads(projected, heads, size)
        if self._sizes.head_norms and which != "v":
            split = self._norm(split, f"{prefix}{which}_norm", size)
        return blocks.heads_first(split)

    def _mlp(self, x: Node, prefix: str) -> Node:
        hidden, inner = self._sizes.hidden, self._sizes.inner
        gate, up = (self._linear(x, prefix + name, inner, hidden) for name in ("gate_proj", "up_proj"))
        return self._linear(blocks.gated(gate, up), prefix + "down_proj", hidden, inner)

    def _mixture(self, x: Node, prefix: str) -> Node:
        sizes, hidden = self._sizes.experts, self._sizes.hidden
        assert sizes is not None
        router = self._weights.matrix(prefix + "gate.weight", sizes.count, hidden)
        shapes = {"gate": (sizes.inner, hidden), "up": (sizes.inner, hidden), "down": (hidden, sizes.inner)}
        stacks = [
            self._weights.matrices([f"{prefix}experts.{i}.{name}_proj.weight" for i in range(sizes.count)], *shape)
            for name, shape in shapes.items()
        ]
        return experts.mixture(x, router, experts.Stacks(*stacks), sizes)

    def _linear(self, x: Node, name: str, rows: int, columns: int, *, biased: bool = False) -> Node:
        """x times a weight; with a bias where there has to be one, or the checkpoint has one."""
        has_bias = biased or name + ".bias" in self._weights
        bias = self._weights.vector(name + ".bias", rows) if has_bias else None
        return blocks.linear(x, self._weights.matrix(name + ".weight", rows, columns), bias, name)

    def _norm(self, x: Node, name: str, size: int) -> Node:
        return blocks.rms_norm(x, self._weights.vector(name + ".weight", size), self._sizes.rms_eps)


def _redundant(name: str, architecture: Architecture) -> bool:
    """Tensors that older checkpoints carry although they follow from the rest."""
    return name.endswith("rotary_emb.inv_freq") or (name == "lm_head.weight" and architecture.tied)


def _parameter(name: str, kind: Type, shape: list[int]) -> Node:
    node = op.parameter(PartialShape(shape), kind, name=name)
    node.output(0).get_tensor().set_names({name})
    return node
