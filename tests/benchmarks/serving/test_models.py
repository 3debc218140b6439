from __future__ import annotations

from pathlib import Path

import pytest

from actors.engines.model_files import read_config
from actors.engines.tokenizer import ModelTokenizer
from benchmarks.serving.models import ensure_model, prompt_text, write_tokenizer


@pytest.mark.parametrize("vocabulary", [300, 1024, 32_768])
def test_the_tokenizer_has_as_many_tokens_as_asked(tmp_path: Path, vocabulary: int) -> None:
    write_tokenizer(tmp_path, vocabulary)
    tokenizer = ModelTokenizer(tmp_path, vocabulary)
    assert len(tokenizer.huggingface) == vocabulary
    text = "云杉 bank, 龘😀\n"
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_a_model_is_made_once_and_its_prompts_have_their_length(tmp_path: Path) -> None:
    folder = ensure_model("tiny", tmp_path)
    written = (folder / "model.safetensors").stat().st_mtime_ns
    assert ensure_model("tiny", tmp_path) == folder
    assert (folder / "model.safetensors").stat().st_mtime_ns == written
    tokenizer = ModelTokenizer(folder, read_config(folder)["vocab_size"])
    prompts = [prompt_text(64, number) for number in range(16)]
    assert [len(tokenizer.encode(prompt)) for prompt in prompts] == [64] * 16
    assert len({prompt[0] for prompt in prompts}) == 16


def test_no_prompt_comes_twice() -> None:
    numbers = [*range(-100, 5_000), *range(358_000, 359_000)]
    assert len({prompt_text(4, number) for number in numbers}) == len(numbers)
