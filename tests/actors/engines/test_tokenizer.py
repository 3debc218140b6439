"""Which tokenizers and prompts are taken."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from actors.engines.admission import ContextLengthError
from actors.engines.tokenizer import ModelTokenizer, check_tokenizer, check_tokenizer_files
from danlu.errors import InputError


@pytest.mark.parametrize("files", [[], ["tokenizer_config.json"]])
def test_a_folder_without_a_vocabulary_is_refused(files: list[str], checkpoint: Path, tmp_path: Path) -> None:
    for name in ("config.json", *files):
        shutil.copy(checkpoint / name, tmp_path)
    for look in (check_tokenizer_files, ModelTokenizer):
        with pytest.raises(InputError, match="has no tokenizer"):
            look(tmp_path)


@pytest.mark.parametrize(
    ("file", "text", "problem"),
    [
        ("tokenizer.json", "{", "the tokenizer in .* does not load"),
        ("tokenizer.json", "{}", "the tokenizer in .* does not load: KeyError: "),
        ("config.json", '{"vocab_size": 400}', r"has \d+ tokens: the model's vocabulary holds 400"),
        ("config.json", '{"vocab_size": 0}', "vocab_size is 0"),
        ("chat_template.jinja", "{% if %}", "chat template .* can't be used"),
    ],
)
def test_files_alone_tell_that_a_tokenizer_can_not_be_used(
    file: str, text: str, problem: str, checkpoint: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(checkpoint, tmp_path / "model")
    check_tokenizer(folder)
    (folder / file).write_text(text)
    with pytest.raises(InputError, match=problem):
        check_tokenizer(folder)


@pytest.mark.parametrize("file", ["tokenizer.json", "vocab.json", "vocab.txt", "sentencepiece.bpe.model", "a.tiktoken"])
def test_each_kind_of_vocabulary_is_seen(file: str, tmp_path: Path) -> None:
    (tmp_path / file).touch()
    check_tokenizer_files(tmp_path)


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
    with pytest.raises(ContextLengthError, match="has 1000000 characters"):
        asyncio.run(tokenizer.encode_beside("ab" * 500_000, 256))
    assert max(seen) <= 8 * 256


@pytest.mark.parametrize(("template", "line"), [("{% for m in messages %}", 1), ("{{ 1 }}\n{{ messages[ }}", 2)])
def test_a_template_that_is_none_is_refused_at_the_start(
    template: str, line: int, checkpoint: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(checkpoint, tmp_path / "model")
    (folder / "chat_template.jinja").write_text(template)
    with pytest.raises(InputError, match=rf"the chat template in .*model can't be used: line {line}: "):
        ModelTokenizer(folder)


@pytest.mark.parametrize(
    "template", ["{{ raise_exception('no') }}", "{{ messages[3].content.x }}", "{{ range(10**9) }}"]
)
def test_a_template_that_refuses_a_conversation_says_so_to_who_asked(
    template: str, checkpoint: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(checkpoint, tmp_path / "model")
    (folder / "chat_template.jinja").write_text(template)
    with pytest.raises(InputError, match="the model's chat template refuses them"):
        ModelTokenizer(folder).render_chat([{"role": "user", "content": "a"}])
