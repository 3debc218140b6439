"""A sparse network and its dense twin: the same width, depth and attention, trained on the same text in the same order.

The text are classic Chinese novels (`zh_classics` of DANLU_DATA) as bytes, three for a Chinese character: with so small
a vocabulary, most weights of a small network are those that the twins differ in. Every fiftieth passage is held out.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from actors.networks.build import build_config, register_networks
from actors.networks.sizes import Sizes
from danlu.errors import InputError
from pipelines.training.losses import language_model_loss, router_balance_loss
from pipelines.training.schedule import learning_rate
from pipelines.training.settings import OptimizerSettings

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_PASSAGE_CHARACTERS = 2000
_HELD_OUT_EVERY, _HELD_OUT_PLACE = 50, 25  # from the middle: the first passage of a novel is its title and preface


@dataclass(frozen=True)
class Tokens:
    """Bytes of the text: (tokens,) int64 each."""

    training: torch.Tensor
    validation: torch.Tensor


@dataclass(frozen=True)
class Recipe:
    """How both twins are trained: steps of `sequences` times `length` tokens."""

    steps: int
    sequences: int = 16
    length: int = 128

    @property
    def optimizer(self) -> OptimizerSettings:
        return OptimizerSettings(learning_rate=6e-3, warmup_steps=max(1, self.steps // 20), weight_decay=0.1)


def read_tokens(folder: Path) -> Tokens:
    """The novels.

    Raises:
        InputError: the folder has no texts.
    """
    files = sorted(file for file in folder.glob("*.txt") if file.name != "SOURCE.txt")
    if not files:
        raise InputError(f"{folder} has no texts", fix="set DANLU_DATA to the folder of public data sets")
    passages = [(place, text) for file in files for place, text in enumerate(_passages(file))]
    held_out = [text for place, text in passages if place % _HELD_OUT_EVERY == _HELD_OUT_PLACE]
    training = [text for place, text in passages if place % _HELD_OUT_EVERY != _HELD_OUT_PLACE]
    return Tokens(_bytes(training), _bytes(held_out))


def _bytes(texts: Sequence[str]) -> torch.Tensor:
    return torch.from_numpy(np.frombuffer("".join(texts).encode(), dtype=np.uint8).astype(np.int64))


def _passages(file: Path) -> Iterator[str]:
    text = "\n".join(line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip())
    for start in range(0, len(text), _PASSAGE_CHARACTERS):
        yield text[start : start + _PASSAGE_CHARACTERS]


def make_twin(sizes: Sizes, vocabulary: int, seed: int = 0) -> PreTrainedModel:
    """A network with random weights in fp32."""
    from transformers import AutoModelForCausalLM

    register_networks()
    torch.manual_seed(seed)
    return AutoModelForCausalLM.from_config(build_config(sizes.architecture, sizes, vocabulary), dtype=torch.float32)


def train_twin(model: PreTrainedModel, tokens: Tokens, recipe: Recipe, seed: int, tell: Callable[[str], None]) -> float:
    """Train in fp32; the validation loss in nats per byte.

    No sequence is seen twice before all have been seen once.
    """
    model.train()
    groups = [
        {"params": [p for p in model.parameters() if p.ndim > 1], "weight_decay": recipe.optimizer.weight_decay},
        {"params": [p for p in model.parameters() if p.ndim < 2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.95))
    rows = _rows(tokens.training, recipe.length)
    order = itertools.cycle(torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed)).tolist())
    for step in range(recipe.steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, recipe.steps, recipe.optimizer)
        loss, router_loss = _losses(model, rows[list(itertools.islice(order, recipe.sequences))])
        (loss + getattr(model.config, "router_aux_loss_coef", 0.0) * router_loss).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.optimizer.gradient_clipping)
        optimizer.step()
        optimizer.zero_grad()
        if (step + 1) % 100 == 0:
            tell(f"step {step + 1} of {recipe.steps}: loss {loss.item():.3f}")
    return validate(model, tokens, recipe)


def validate(model: PreTrainedModel, tokens: Tokens, recipe: Recipe) -> float:
    """Mean cross entropy over the held-out passages, nats per byte."""
    model.eval()
    batches = _rows(tokens.validation, recipe.length).split(recipe.sequences)
    with torch.no_grad():
        losses = [(_losses(model, batch)[0].item(), len(batch)) for batch in batches]
    return sum(loss * rows for loss, rows in losses) / sum(rows for _, rows in losses)


def _rows(tokens: torch.Tensor, length: int) -> torch.Tensor:
    """(rows, length + 1): each row's last token is the next row's first."""
    return tokens.unfold(0, length + 1, length)


def _losses(model: PreTrainedModel, batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean cross entropy, and the load-balancing loss (0 without routers)."""
    routed = {"output_router_logits": True} if hasattr(model.config, "router_aux_loss_coef") else {}
    inputs, targets = batch[:, :-1], batch[:, 1:]
    outputs = model(input_ids=inputs, use_cache=False, **routed)
    loss = language_model_loss(outputs.logits, targets) / targets.numel()
    if not routed:
        return loss, torch.zeros(())
    real = torch.ones_like(inputs, dtype=torch.bool)
    return loss, router_balance_loss(outputs.router_logits, real, model.config.num_experts_per_tok)


def decode_greedily(model: PreTrainedModel, prompt: Sequence[int], count: int) -> list[int]:
    """`count` tokens, one forward pass each after the prompt's, with a key/value cache."""
    ids, cache, answer = torch.tensor([list(prompt)]), None, []
    with torch.inference_mode():
        for _ in range(count):
            output = model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
            cache = output.past_key_values
            ids = output.logits[:, -1].argmax(-1, keepdim=True)
            answer.append(int(ids))
    return answer
