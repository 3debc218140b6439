"""The sparse network: Qwen3 whose feed-forward layers are cut into slices, of which each token visits a few.

A layer's gated feed-forward network of `num_experts * slice_width` neurons is cut into slices of neighbouring neurons.
A router scores the slices from the token's hidden state; the token visits the best `num_experts_per_tok` and, always,
the `shared_width` neurons outside the slices. So a token's path is chosen anew in every layer, and decoding reads only
the weights on it. Fine slices chosen by a learnt router, with a shared part: DeepSeekMoE (arXiv 2401.06066), and
"Scaling Laws for Fine-Grained Mixture of Experts" (arXiv 2402.07871).

`layer_kinds` may mix these layers with dense ones and with mixtures of experts as in Qwen3-MoE.

This file is copied beside every checkpoint, so that transformers loads it where danlu is not installed
(`trust_remote_code=True`). It imports nothing of danlu.

Shapes: T tokens, H hidden size, S slices, W neurons of a slice, K slices of a token.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import Qwen3MoeConfig, Qwen3MoeForCausalLM, Qwen3MoeModel
from transformers import initialization as init
from transformers.activations import ACT2FN
from transformers.modeling_outputs import MoeCausalLMOutputWithPast
from transformers.models.qwen3_moe.modeling_qwen3_moe import (
    Qwen3MoeAttention,
    Qwen3MoeDecoderLayer,
    Qwen3MoeMLP,
    Qwen3MoePreTrainedModel,
    Qwen3MoeRMSNorm,
    Qwen3MoeRotaryEmbedding,
    Qwen3MoeSparseMoeBlock,
    Qwen3MoeTopKRouter,
)
from transformers.utils.output_capturing import OutputRecorder


class DanluSparseConfig(Qwen3MoeConfig):
    """Sizes of a sparse network; the other fields are those of Qwen3MoeConfig.

    Attributes:
        layer_kinds: `dense`, `moe` or `sparse` for every layer.
        num_experts: slices of a sparse layer, and experts of a moe layer. Both have the names of Qwen3-MoE, by which
            trainers find what they need to balance the routers.
        num_experts_per_tok: how many of them a token visits.
        slice_width: neurons of a slice.
        shared_width: neurons of a sparse layer that every token visits; 0 for none.
    """

    model_type = "danlu_sparse"

    layer_kinds: list[str] | None = None
    slice_width: int = 64
    shared_width: int = 0

    def __post_init__(self, **kwargs: Any) -> None:
        if self.layer_kinds is None:
            self.layer_kinds = ["sparse"] * self.num_hidden_layers
        super().__post_init__(**kwargs)


class SliceRouter(nn.Module):
    """Which slices a token visits, and with which weight."""

    def __init__(self, config: DanluSparseConfig) -> None:
        super().__init__()
        self.per_token = config.num_experts_per_tok
        self.weight = nn.Parameter(torch.empty(config.num_experts, config.hidden_size))

    def forward(self, tokens_TH: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Scores (T, S), weights (T, K) and indices (T, K) of the chosen slices.

        The weights of a token sum to K: slices with equal weights give together what these neurons of an undivided
        feed-forward network give.
        """
        logits_TS = F.linear(tokens_TH, self.weight)
        best_TK, chosen_TK = logits_TS.topk(self.per_token, dim=-1)
        weights_TK = best_TK.softmax(dim=-1, dtype=torch.float32) * self.per_token
        return logits_TS, weights_TK.to(tokens_TH.dtype), chosen_TK


class SlicedFeedForward(nn.Module):
    """A gated feed-forward network in slices.

    Attributes:
        gate_up_proj: (S, 2W, H), in each slice the gate's rows, then the others.
        down_proj: (S, W, H), one row per neuron, so that the rows of chosen neurons can be read where they lie.
    """

    def __init__(self, config: DanluSparseConfig) -> None:
        super().__init__()
        slices, width, hidden = config.num_experts, config.slice_width, config.hidden_size
        self.router = SliceRouter(config)
        self.gate_up_proj = nn.Parameter(torch.empty(slices, 2 * width, hidden))
        self.down_proj = nn.Parameter(torch.empty(slices, width, hidden))
        self.shared = Qwen3MoeMLP(config, config.shared_width) if config.shared_width else None
        self.activation = ACT2FN[config.hidden_act]

    def forward(self, hidden: Tensor) -> Tensor:
        """(batch, length, H) to the same shape."""
        tokens_TH = hidden.flatten(0, 1)
        _, weights_TK, chosen_TK = self.router(tokens_TH)
        one = len(tokens_TH) == 1 and hidden.device.type == "cpu" and not torch.is_grad_enabled()
        visit = self._visit_one if one else self._visit_grouped
        output = visit(tokens_TH, weights_TK, chosen_TK).view_as(hidden)
        return output if self.shared is None else output + self.shared(hidden)

    def _visit_grouped(self, tokens_TH: Tensor, weights_TK: Tensor, chosen_TK: Tensor) -> Tensor:
        """Many tokens: pairs of token and slice, sorted by slice, in one grouped matrix product per projection."""
        pairs = chosen_TK.flatten()
        order = pairs.argsort()
        counts = torch.zeros(len(self.down_proj), dtype=torch.int32, device=pairs.device)
        ends = counts.scatter_add_(0, pairs, torch.ones_like(pairs, dtype=torch.int32)).cumsum(0).int()
        rows = tokens_TH[order // chosen_TK.shape[1]]
        neurons = self._gated(F.grouped_mm(rows, self.gate_up_proj.transpose(1, 2), offs=ends))
        outputs = F.grouped_mm(neurons * weights_TK.flatten()[order, None], self.down_proj, offs=ends)
        # Back in the order of the tokens: a sum over each token's slices is the same every time, unlike index_add.
        return outputs[order.argsort()].unflatten(0, chosen_TK.shape).sum(1)

    def _visit_one(self, token_1H: Tensor, weights_1K: Tensor, chosen_1K: Tensor) -> Tensor:
        """One token on a CPU, bound by reading weights: the chosen ones are used where they lie, none is copied."""
        width = self.down_proj.shape[1]
        projected = [F.linear(token_1H, self.gate_up_proj[index]) for index in chosen_1K[0].tolist()]
        neurons_KW = self._gated(torch.cat(projected)) * weights_1K.T
        rows_KW = chosen_1K.T * width + torch.arange(width)
        # A weighted sum of rows is what an embedding bag is.
        return F.embedding_bag(
            rows_KW.view(1, -1),
            self.down_proj.flatten(0, 1),
            per_sample_weights=neurons_KW.view(1, -1),
            mode="sum",
        )

    def _gated(self, projected: Tensor) -> Tensor:
        gate, up = projected.chunk(2, dim=-1)
        return self.activation(gate) * up


class DanluSparseDecoderLayer(Qwen3MoeDecoderLayer):
    """Attention and a feed-forward block of the kind that `layer_kinds` names."""

    def __init__(self, config: DanluSparseConfig, layer_idx: int) -> None:
        # Past Qwen3-MoE's own constructor, which would make a feed-forward block of its choice.
        super(Qwen3MoeDecoderLayer, self).__init__()
        assert config.layer_kinds is not None
        self.self_attn = Qwen3MoeAttention(config, layer_idx)
        self.mlp = _feed_forward(config, config.layer_kinds[layer_idx])
        self.input_layernorm = Qwen3MoeRMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.post_attention_layernorm = Qwen3MoeRMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.hidden_size = config.hidden_size


def _feed_forward(config: DanluSparseConfig, kind: str) -> Any:  # a Module; the parent class has only one kind
    if kind == "sparse":
        return SlicedFeedForward(config)
    if kind == "moe":
        return Qwen3MoeSparseMoeBlock(config)
    if kind == "dense":
        return Qwen3MoeMLP(config, config.intermediate_size)
    raise ValueError(f"layer_kinds has {kind!r}: a layer is dense, moe or sparse")


class DanluSparsePreTrainedModel(Qwen3MoePreTrainedModel):
    """What both models share: the config's class, and how weights begin."""

    config_class = DanluSparseConfig
    config: DanluSparseConfig
    _no_split_modules = ["DanluSparseDecoderLayer"]  # noqa: RUF012
    _can_record_outputs = {  # noqa: RUF012
        "router_logits": [OutputRecorder(SliceRouter, index=0), OutputRecorder(Qwen3MoeTopKRouter, index=0)],
        "hidden_states": DanluSparseDecoderLayer,
        "attentions": Qwen3MoeAttention,
    }

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        names = {SlicedFeedForward: ("gate_up_proj", "down_proj"), SliceRouter: ("weight",)}.get(type(module), ())
        for name in names:
            init.normal_(getattr(module, name), mean=0.0, std=self.config.initializer_range)


class DanluSparseModel(DanluSparsePreTrainedModel, Qwen3MoeModel):
    """The decoder without its head."""

    def __init__(self, config: DanluSparseConfig) -> None:
        super(Qwen3MoeModel, self).__init__(config)  # past the constructor that makes Qwen3-MoE's layers
        self.padding_idx = config.pad_token_id
        self.vocab_size = config.vocab_size
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size, self.padding_idx)
        self.layers = nn.ModuleList(DanluSparseDecoderLayer(config, i) for i in range(config.num_hidden_layers))
        self.norm = Qwen3MoeRMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.rotary_emb = Qwen3MoeRotaryEmbedding(config=config)
        self.gradient_checkpointing = False
        self.post_init()


class DanluSparseForCausalLM(DanluSparsePreTrainedModel, Qwen3MoeForCausalLM):
    """The language model.

    `output_router_logits` returns the routers' scores, (T, slices or experts) for each layer that has a router; a
    load-balancing loss over them is the trainer's to compute.
    """

    def __init__(self, config: DanluSparseConfig) -> None:
        super(Qwen3MoeForCausalLM, self).__init__(config)
        self.model = DanluSparseModel(config)
        self.vocab_size = config.vocab_size
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()

    def forward(
        self,
        input_ids: Tensor | None = None,
        labels: Tensor | None = None,
        logits_to_keep: int = 0,
        **kwargs: Any,
    ) -> MoeCausalLMOutputWithPast:
        """Logits (batch, length or the last `logits_to_keep`, vocabulary), and the mean cross entropy of `labels`."""
        kwargs.pop("return_dict", None)
        outputs = self.model(input_ids=input_ids, **kwargs)
        logits = self.lm_head(outputs.last_hidden_state[:, -logits_to_keep:])
        loss = None if labels is None else self.loss_function(logits, labels, self.vocab_size)
        return MoeCausalLMOutputWithPast(
            loss=loss,
            logits=logits,
            past_key_values=outputs.past_key_values,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
            router_logits=outputs.router_logits,
        )


# Saving a model then writes this file beside it, and its classes' names into config.json.
DanluSparseConfig.register_for_auto_class()
DanluSparseForCausalLM.register_for_auto_class("AutoModelForCausalLM")
