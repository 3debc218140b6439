from __future__ import annotations

from pathlib import Path

import torch
from transformers import AutoModelForCausalLM

from actors.engines.tokenizer import ModelTokenizer
from benchmarks.serving.chain_model import CHAIN, chain_prompt, ensure_chain_model
from benchmarks.serving.lookup import rows


def test_the_model_answers_with_the_chain(tmp_path: Path) -> None:
    folder = ensure_chain_model("tiny", tmp_path)
    tokenizer = ModelTokenizer(folder)
    prompt = chain_prompt(64, 6, seed=3)
    ids = tokenizer.encode(prompt)
    assert len(ids) == len(prompt) == 64
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    answer = model.generate(torch.tensor([ids]), max_new_tokens=CHAIN + 5, min_new_tokens=CHAIN + 5, do_sample=False)
    text = tokenizer.decode(answer[0, 64:].tolist())
    at = ord(prompt[-1]) - 0x4E00
    assert text == "".join(chr(0x4E00 + (at + 1 + i) % CHAIN) for i in range(CHAIN + 5))


def test_prompts_repeat_as_much_as_asked() -> None:
    outside = [sum(ord(c) >= 0x4F00 for c in chain_prompt(96, every, 1)[:-1]) for every in (0, 16, 6, 1)]
    assert outside == [0, 5, 15, 95]


def test_a_row_holds_the_ratio_of_medians() -> None:
    (row,) = rows({("word for word", 1): {0: [10.0, 20.0, 30.0], 5: [50.0]}})
    assert row[0] == "word for word, 1 at a time" and row[-1] == "2.50x"
