"""Which tokenizers and prompts are taken."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from actors.engines.tokenizer import ModelTokenizer
from danlu.errors import InputError


@pytest.mark.parametrize("files", [[], ["tokenizer_config.json"]])
def test_a_folder_without_a_vocabulary_is_refused(files: list[str], checkpoint: Path, tmp_path: Path) -> None:
    for name in ("config.json", *files):
        shutil.copy(checkpoint / name, tmp_path)
    with pytest.raises(InputError, match="tokenizer"):
        ModelTokenizer(tmp_path)


def test_an_empty_vocabulary_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    tokenizer = json.loads((checkpoint / "tokenizer.json").read_text())
    tokenizer["model"] |= {"vocab": {}, "merges": []}
    (tmp_path / "tokenizer.json").write_text(json.dumps({**tokenizer, "added_tokens": []}))
    with pytest.raises(InputError, match="has no tokens"):
        ModelTokenizer(tmp_path)


def test_a_prompt_that_can_not_fit_is_refused_by_its_beginning(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer = ModelTokenizer(checkpoint)
    encode, seen = tokenizer.encode, []

    def noted(prompt: str) -> list[int]:
        seen.append(len(prompt))
        return encode(prompt)

    monkeypatch.setattr(tokenizer, "encode", noted)
    with pytest.raises(InputError, match="has 1000000 characters"):
        asyncio.run(tokenizer.encode_beside("ab" * 500_000, 256))
    assert max(seen) <= 8 * 256
