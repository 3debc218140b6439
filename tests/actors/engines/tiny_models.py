"""Small random checkpoints with a byte-level tokenizer, made on the spot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

SPECIAL_TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
CORPUS = [
    "云杉银行的借记卡可以在手机上挂失，挂失后请携带身份证到网点补卡。",
    "云杉移动的 5G 套餐每月 59 元，含 30 GB 流量和 200 分钟通话。",
    "def add(a, b):\n    return a + b\n",
    "The balance of your account is shown on the first page of the app.",
    "　　全角空格，制表符\t与换行\n\n都要保留。😀🏦",
]
SIZES: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 256,
    # Large enough that a random network does not merely repeat its last token.
    "initializer_range": 0.3,
}


def write_tokenizer(folder: Path) -> Any:
    """A byte-level BPE tokenizer with a ChatML template, as a transformers tokenizer."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=420, special_tokens=SPECIAL_TOKENS, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS * 20, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        extra_special_tokens=["<|im_start|>"],
    )
    fast.chat_template = CHAT_TEMPLATE
    fast.save_pretrained(folder)
    return fast


def write_checkpoint(folder: Path, architecture: str = "qwen3", dtype: str = "float32", **sizes: Any) -> Path:
    """A random checkpoint (qwen3, qwen3_moe, qwen2, llama or sparse) in Hugging Face form; the same each time."""
    import torch
    import transformers

    from actors.networks.sparse_network import DanluSparseConfig, DanluSparseForCausalLM

    tokenizer = write_tokenizer(folder)
    kinds = {
        "qwen3": (transformers.Qwen3Config, transformers.Qwen3ForCausalLM),
        "qwen3_moe": (transformers.Qwen3MoeConfig, transformers.Qwen3MoeForCausalLM),
        "qwen2": (transformers.Qwen2Config, transformers.Qwen2ForCausalLM),
        "llama": (transformers.LlamaConfig, transformers.LlamaForCausalLM),
        "sparse": (DanluSparseConfig, DanluSparseForCausalLM),
    }
    config_class, model_class = kinds[architecture]
    ids = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id, "bos_token_id": None}
    torch.manual_seed(0)
    model = model_class(config_class(vocab_size=len(tokenizer), **ids, **{**SIZES, **sizes}))
    with torch.no_grad():  # biases and norms start at 0 and 1, which would hide that they are left out
        for weight in model.parameters():
            if weight.dim() == 1:
                weight.add_(torch.randn_like(weight) * 0.1)
    model.to(getattr(torch, dtype)).save_pretrained(folder)
    return folder


def write_adapter(checkpoint: Path, folder: Path, seed: int, targets: tuple[str, ...] = ("q_proj", "up_proj")) -> Path:
    """A LoRA adapter in peft's form with random weights, large enough to change answers."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    config = LoraConfig(r=4, lora_alpha=32, target_modules=list(targets), init_lora_weights=False)
    get_peft_model(AutoModelForCausalLM.from_pretrained(checkpoint), config).save_pretrained(folder)
    return folder
