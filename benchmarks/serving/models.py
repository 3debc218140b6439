"""Models to serve, made on the spot: random weights in real proportions, with a tokenizer of their own.

What the tokens say changes nothing in the cost. Each model is made once and kept in the benchmarks' cache.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.environments import cache_folder

# Counts up when the same name would give another model.
_VERSION = 2
_SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@dataclass(frozen=True)
class Sizes:
    """A Qwen3, dense unless it has experts; heads of 64, the embedding shared with the head."""

    layers: int
    hidden: int
    inner: int
    heads: int
    kv_heads: int
    vocabulary: int
    experts: int = 0
    experts_per_token: int = 0


MODELS: dict[str, Sizes] = {
    "tiny": Sizes(layers=2, hidden=128, inner=384, heads=2, kv_heads=1, vocabulary=1024),
    "50m": Sizes(layers=10, hidden=512, inner=1536, heads=8, kv_heads=4, vocabulary=16_384),
    "400m": Sizes(layers=24, hidden=1024, inner=3072, heads=16, kv_heads=8, vocabulary=32_768),
    "moe": Sizes(
        layers=8, hidden=512, inner=256, heads=8, kv_heads=4, vocabulary=16_384, experts=32, experts_per_token=4
    ),
}


def ensure_model(name: str, folder: Path | None = None) -> Path:
    """The Hugging Face folder of a model, in float32; made now if need be.

    Args:
        name: one of MODELS.
        folder: where models are kept; the benchmarks' cache unless given.
    """
    kept = (folder or cache_folder()) / f"serving-{name}-{_VERSION}"
    if not kept.is_dir():
        part = kept.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        write_model(MODELS[name], part)
        part.rename(kept)
    return kept


def prompt_text(tokens: int, number: int = 0) -> str:
    """A prompt of that many tokens (one character each, two at least), another one for each `number` below 360,000."""
    step = 31 * (1 + number // 600)
    return "".join(chr(0x4E00 + (7919 * number + step * i) % 600) for i in range(tokens))


def write_model(sizes: Sizes, folder: Path) -> None:
    """A random Qwen3 of these sizes with its tokenizer."""
    import torch
    import transformers

    write_tokenizer(folder, sizes.vocabulary)
    common: dict[str, Any] = {
        "vocab_size": sizes.vocabulary,
        "hidden_size": sizes.hidden,
        "intermediate_size": sizes.inner,
        "num_hidden_layers": sizes.layers,
        "num_attention_heads": sizes.heads,
        "num_key_value_heads": sizes.kv_heads,
        "head_dim": 64,
        "max_position_embeddings": 4096,
        "tie_word_embeddings": True,
        "eos_token_id": _SPECIAL.index("<|im_end|>"),
        "pad_token_id": 0,
        "bos_token_id": None,
        # Larger than is usual, so that a random network does not repeat one token for ever.
        "initializer_range": 0.06,
    }
    config: Any = transformers.Qwen3Config(**common)
    model_class: Any = transformers.Qwen3ForCausalLM
    if sizes.experts:
        experts: dict[str, Any] = {
            "num_experts": sizes.experts,
            "num_experts_per_tok": sizes.experts_per_token,
            "moe_intermediate_size": sizes.inner,
            "norm_topk_prob": True,
        }
        config, model_class = transformers.Qwen3MoeConfig(**common, **experts), transformers.Qwen3MoeForCausalLM
    torch.manual_seed(0)
    model_class(config).save_pretrained(folder)


def write_tokenizer(folder: Path, vocabulary: int) -> None:
    """A byte-level BPE tokenizer of that many tokens: bytes, then Chinese characters, then pairs of them."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    merges = list(islice(_merges(), vocabulary - 256 - len(_SPECIAL)))
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = [*_SPECIAL, *alphabet, *(left + right for left, right in merges)]
    bpe = models.BPE(vocab={token: index for index, token in enumerate(tokens)}, merges=merges)
    tokenizer = Tokenizer(bpe)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        extra_special_tokens=["<|im_start|>"],
    )
    fast.chat_template = _TEMPLATE
    fast.save_pretrained(folder)


def _merges() -> Iterator[tuple[str, str]]:
    """Pairs that BPE joins: the bytes of each Chinese character, then two rare characters at a time."""
    from tokenizers.pre_tokenizers import ByteLevel

    level = ByteLevel(add_prefix_space=False, use_regex=False)
    seen = set()
    characters = []
    for code in range(0x4E00, 0xA000):
        ((letters, _),) = level.pre_tokenize_str(chr(code))
        characters.append(letters)
        for pair in ((letters[0], letters[1]), (letters[:2], letters[2])):
            if pair not in seen:
                seen.add(pair)
                yield pair
    yield from zip(characters[5_000:], reversed(characters), strict=False)
