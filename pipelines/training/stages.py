"""A Qwen3 or Qwen3-MoE network as a line of modules that a pipeline cuts into stages.

What flows from module to module is the hidden states alone, or with experts a tuple, since the router loss is that of
all layers: (hidden states, summed probabilities of the experts, visits of the experts, which tokens are real).

Shapes: B sequences, L tokens, H hidden size, E experts, V vocabulary.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from pipelines.training.losses import count_visits, router_weight

if TYPE_CHECKING:
    from deepspeed.runtime.pipe.module import LayerSpec
    from transformers import PreTrainedModel

# (hidden_BLH or logits_BLV, probabilities_E float32, visits_E+1 int64, real_BL uint8)
Routed = tuple[Tensor, Tensor, Tensor, Tensor]
_TIED = "embeddings"


class Source:
    """The whole network, from which each stage takes its modules. `release` lets go of what no stage took."""

    def __init__(self, network: PreTrainedModel) -> None:
        self._network: Any = network
        # Router losses are of no use where they have no weight.
        self.experts = network.config.num_experts if router_weight(network.config) else 0

    @property
    def network(self) -> Any:
        assert self._network is not None, "modules are taken while the pipeline is built"
        return self._network

    def release(self) -> None:
        self._network = None


def stage_modules(source: Source) -> list[LayerSpec]:
    """The network's modules in their order. DeepSpeed builds those of its own stage."""
    from deepspeed.pipe import LayerSpec, TiedLayerSpec

    config = source.network.config
    layers = [LayerSpec(Layer, source, number) for number in range(config.num_hidden_layers)]
    last = LayerSpec(LastNorm, source)
    if not config.tie_word_embeddings:
        return [LayerSpec(Embeddings, source), *layers, last, LayerSpec(Head, source)]
    tied = {"tied_weight_attr": "embed_tokens.weight"}
    first = TiedLayerSpec(_TIED, Embeddings, source, **tied)
    return [first, *layers, last, TiedLayerSpec(_TIED, Embeddings, source, forward_fn=tied_head, **tied)]


class Embeddings(nn.Module):
    """Token ids_BL, with experts also real_BL, to what flows."""

    def __init__(self, source: Source) -> None:
        super().__init__()
        self.embed_tokens = source.network.model.embed_tokens
        self._experts = source.experts

    def forward(self, inputs: Tensor | tuple[Tensor, Tensor]) -> Tensor | Routed:
        if not isinstance(inputs, tuple):
            return self.embed_tokens(inputs)
        ids, real = inputs
        # A pipeline sends gradients back to whatever flows in floating point, so all of it must have one.
        probabilities = torch.zeros(self._experts, device=ids.device, requires_grad=torch.is_grad_enabled())
        visits = torch.zeros(self._experts + 1, dtype=torch.int64, device=ids.device)
        return self.embed_tokens(ids), probabilities, visits, real


class Layer(nn.Module):
    """One decoder layer."""

    def __init__(self, source: Source, number: int) -> None:
        super().__init__()
        self.layer = source.network.model.layers[number]
        self.positions = source.network.model.rotary_emb
        self._top_k = getattr(source.network.config, "num_experts_per_tok", 0)
        self._router_logits: Tensor | None = None
        if source.experts and hasattr(self.layer.mlp, "gate"):
            self.layer.mlp.gate.register_forward_hook(self._keep_router_logits)

    def forward(self, flow: Tensor | Routed) -> Tensor | Routed:
        if not isinstance(flow, tuple):
            return self._run(flow)
        hidden, probabilities, visits, real = flow
        self._router_logits = None
        hidden = self._run(hidden)
        if self._router_logits is not None and self.training:
            more, visited = count_visits((self._router_logits,), real.bool(), self._top_k)
            probabilities, visits = probabilities + more, visits + visited
        return hidden, probabilities, visits, real

    def _run(self, hidden_BLH: Tensor) -> Tensor:
        places = torch.arange(hidden_BLH.shape[1], device=hidden_BLH.device)[None]
        turns = self.positions(hidden_BLH, places)
        # Without a mask attention is causal; padding is on the right, so no real token sees it.
        return self.layer(hidden_BLH, attention_mask=None, position_ids=places, position_embeddings=turns)

    def _keep_router_logits(self, gate: nn.Module, arguments: Any, outputs: tuple[Tensor, ...]) -> None:
        self._router_logits = outputs[0]


class LastNorm(nn.Module):
    """The norm behind the last layer."""

    def __init__(self, source: Source) -> None:
        super().__init__()
        self.norm = source.network.model.norm

    def forward(self, flow: Tensor | Routed) -> Tensor | Routed:
        return (self.norm(flow[0]), *flow[1:]) if isinstance(flow, tuple) else self.norm(flow)


class Head(nn.Module):
    """Hidden states to logits, by a matrix of its own."""

    def __init__(self, source: Source) -> None:
        super().__init__()
        self.lm_head = source.network.lm_head

    def forward(self, flow: Tensor | Routed) -> Tensor | Routed:
        return (self.lm_head(flow[0]), *flow[1:]) if isinstance(flow, tuple) else self.lm_head(flow)


def tied_head(embeddings: Embeddings, flow: Tensor | Routed) -> Tensor | Routed:
    """Hidden states to logits, by the matrix of the embeddings."""
    weight = embeddings.embed_tokens.weight
    if isinstance(flow, tuple):
        return (nn.functional.linear(flow[0], weight), *flow[1:])
    return nn.functional.linear(flow, weight)
