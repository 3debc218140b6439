from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.engines.tokenizer import ModelTokenizer
from danlu.errors import InputError
from pipelines.compression.samples import PROMPTS, prompt_ids, read_texts, text_samples

MESSAGES = [{"role": "user", "content": "怎么挂失？"}, {"role": "assistant", "content": "请登录手机银行。"}]
CHAT = "<|im_start|>user\n怎么挂失？<|im_end|>\n<|im_start|>assistant\n请登录手机银行。<|im_end|>\n"


@pytest.fixture(scope="module")
def tokenizer(checkpoint: Path) -> ModelTokenizer:
    return ModelTokenizer(checkpoint)


@given(
    texts=st.lists(st.text(alphabet="云杉银行 abc", max_size=40), max_size=8),
    tokens=st.integers(1, 60),
    window=st.integers(2, 20),
)
def test_windows_keep_to_their_length_and_to_the_budget(
    tokenizer: ModelTokenizer, texts: list[str], tokens: int, window: int
) -> None:
    samples = text_samples(texts, tokenizer, tokens, window)
    scored = sum(len(sample.ids) - sample.first for sample in samples)
    assert scored <= tokens
    assert all(2 <= len(sample.ids) <= window and sample.first == 1 for sample in samples)
    if scored < tokens:  # then everything was taken: each text as its windows, except a last token that stands alone
        lengths = [len(tokenizer.encode(text)) for text in texts]
        assert sum(len(sample.ids) for sample in samples) == sum(length - (length % window == 1) for length in lengths)


def test_texts_are_read_from_every_format(tokenizer: ModelTokenizer, tmp_path: Path) -> None:
    lines = [json.dumps({"text": "一"}, ensure_ascii=False), "", json.dumps({"messages": MESSAGES})]
    (tmp_path / "a.jsonl").write_text("\n".join(lines), encoding="utf-8")
    with gzip.open(tmp_path / "b.jsonl.gz", "wt", encoding="utf-8") as file:
        file.write('{"text": "二"}\n')
    pq.write_table(pa.table({"id": [1, 2], "text": ["三", "四"]}), tmp_path / "c.parquet")
    files = [str(tmp_path / name) for name in ("a.jsonl", "b.jsonl.gz", "c.parquet")]
    assert list(read_texts(files, "text", tokenizer)) == ["一", CHAT, "二", "三", "四"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"text": "a"}\n{torn', "line 2: it is no JSON"),
        ("[1, 2]\n", "line 1: it is a list"),
        ('{"body": "a"}\n', "record 1: it has neither text nor messages, but body"),
    ],
)
def test_a_broken_record_is_named(tokenizer: ModelTokenizer, tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "a.jsonl").write_text(content)
    with pytest.raises(InputError, match=message):
        list(read_texts([str(tmp_path / "a.jsonl")], "text", tokenizer))


@pytest.mark.parametrize("damage", ["cut off", "no gzip"])
def test_a_damaged_archive_is_named(tokenizer: ModelTokenizer, tmp_path: Path, damage: str) -> None:
    whole = gzip.compress(b'{"text": "' + os.urandom(3000).hex().encode() + b'"}\n')
    file = tmp_path / "a.jsonl.gz"
    file.write_bytes(whole[: len(whole) // 2] if damage == "cut off" else b'{"text": "plain"}\n')
    with pytest.raises(InputError, match=r"a\.jsonl\.gz can't be read"):
        list(read_texts([str(file)], "text", tokenizer))


def test_a_parquet_file_without_text_is_named(tokenizer: ModelTokenizer, tmp_path: Path) -> None:
    pq.write_table(pa.table({"body": ["a"]}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match="neither text nor messages, but body"):
        list(read_texts([str(tmp_path / "a.parquet")], "text", tokenizer))
    (tmp_path / "b.parquet").write_bytes(b"torn")
    with pytest.raises(InputError, match=r"b\.parquet can't be read"):
        list(read_texts([str(tmp_path / "b.parquet")], "text", tokenizer))


def test_prompts_take_the_chat_form_where_there_is_one(tokenizer: ModelTokenizer) -> None:
    found = prompt_ids(tokenizer)
    assert len(found) == len(PROMPTS)
    text = tokenizer.huggingface.decode(found[0])
    assert text == f"<|im_start|>user\n{PROMPTS[0]}<|im_end|>\n<|im_start|>assistant\n"
