"""A model whose answers are known beforehand, so that it can be asked for what repeats its prompt and what does not.

Each of CHAIN characters is followed by the next one, whatever stood before, and the last by the first. The network has
the sizes, and so the cost, of a usual one: attention and MLPs are computed, and then added with weight zero.
"""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

from benchmarks.environments import cache_folder
from benchmarks.serving.models import ensure_model

CHAIN = 100
_FIRST = 0x4E00
_OTHER = range(0x4F00, 0x5000)  # characters outside the chain
_VERSION = 1


def chain_prompt(tokens: int, changed_every: int, seed: int) -> str:
    """A prompt that runs through the chain and then stands somewhere in it.

    Args:
        changed_every: every so many characters, one is replaced by one outside the chain; 0 replaces none. What the
            model answers has none of those, so it repeats its prompt in pieces of that length.
    """
    chance = random.Random(seed)
    start = chance.randrange(CHAIN)
    text = [chr(_FIRST + (start + i) % CHAIN) for i in range(tokens)]
    if changed_every:
        for at in range(changed_every - 1, tokens, changed_every):
            text[at] = chr(chance.choice(_OTHER))
    text[-1] = chr(_FIRST + chance.randrange(CHAIN))
    return "".join(text)


def ensure_chain_model(name: str, folder: Path | None = None) -> Path:
    """The Hugging Face folder of a chain model with the sizes of the model `name`; made now if need be."""
    kept = (folder or cache_folder()) / f"serving-chain-{name}-{_VERSION}"
    if not kept.is_dir():
        part = kept.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(ensure_model(name, folder), part)
        _chain(part)
        part.rename(kept)
    return kept


def _chain(folder: Path) -> None:
    """Change the weights of a checkpoint so that it answers with the chain."""
    import torch
    from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    ids = torch.tensor([tokenizer.encode(chr(_FIRST + i)) for i in range(CHAIN)]).flatten()
    model: Any = AutoModelForCausalLM.from_pretrained(folder)
    embedding = torch.nn.functional.normalize(torch.randn(model.config.vocab_size, model.config.hidden_size), dim=1)
    head = torch.randn_like(embedding) * 0.01
    head[ids.roll(-1)] = embedding[ids]
    model.config.tie_word_embeddings = False
    model.lm_head.weight = torch.nn.Parameter(head)
    with torch.no_grad():
        model.get_input_embeddings().weight.copy_(embedding)
        for layer in model.model.layers:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
    model.save_pretrained(folder)
