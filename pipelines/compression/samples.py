"""Token sequences to measure quality by: from texts that the user gives, or from prompts written for this."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import fsspec

from actors.engines.tokenizer import ModelTokenizer
from danlu.errors import InputError

SUFFIXES = (".jsonl", ".jsonl.gz", ".parquet")
# Longer texts are cut into windows: what matters is how well the next token is foretold, not how far back.
WINDOW_TOKENS = 512

PROMPTS = (
    "请介绍一下手机银行怎么登录。",
    "银行卡丢了应该怎么办？",
    "流量用完以后还能上网吗？",
    "今天的天气怎么样？",
    "用一句话说明什么是复利。",
    "Write a function that adds two numbers.",
    "春天来了，公园里的花",
    "套餐可以随时更改吗？",
)


@dataclass(frozen=True)
class Sample:
    """A token sequence; its tokens from index `first` on are scored."""

    ids: list[int]
    first: int = 1


def text_samples(texts: Iterable[str], tokenizer: ModelTokenizer, tokens: int, window: int) -> list[Sample]:
    """Windows of the texts, until `tokens` tokens are scored."""
    samples: list[Sample] = []
    left = tokens
    for text in texts:
        ids = tokenizer.encode(text)
        for start in range(0, len(ids), window):
            piece = ids[start : start + min(window, left + 1)]
            if len(piece) > 1:
                samples.append(Sample(piece))
                left -= len(piece) - 1
            if left <= 0:
                return samples
    return samples


def prompt_ids(tokenizer: ModelTokenizer) -> list[list[int]]:
    """The prompts as token ids, in the model's chat form where it has one."""
    if not tokenizer.huggingface.chat_template:
        return [tokenizer.encode(prompt) for prompt in PROMPTS]
    return [tokenizer.encode(tokenizer.render_chat([{"role": "user", "content": prompt}])) for prompt in PROMPTS]


def read_texts(files: Iterable[str], field: str, tokenizer: ModelTokenizer) -> Iterator[str]:
    """The texts of jsonl and parquet files; conversations (`messages`) in the model's chat form.

    Raises:
        InputError: a line is no JSON object, or has neither the field nor `messages`.
    """
    for file in files:
        for number, record in enumerate(_records(file, field), start=1):
            if isinstance(record.get("messages"), list):
                yield tokenizer.huggingface.apply_chat_template(record["messages"], tokenize=False)
            elif isinstance(record.get(field), str):
                yield record[field]
            else:
                rule = f"it has neither {field} nor messages, but {', '.join(record) or 'nothing'}"
                raise InputError(f"{file}, record {number}", rule=rule, fix="set text_field")


def _records(file: str, field: str) -> Iterator[dict[str, Any]]:
    if file.endswith(".parquet"):
        yield from _parquet_records(file, field)
        return
    for number, line in enumerate(_lines(file), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError as error:
            raise InputError(f"{file}, line {number}", rule=f"it is no JSON ({error})") from None
        if not isinstance(record, dict):
            raise InputError(f"{file}, line {number}", rule=f"it is a {type(record).__name__}, not an object")
        yield record


def _lines(file: str) -> Iterator[bytes]:
    try:
        with fsspec.open(file, "rb", compression="infer") as stream:
            yield from stream
    except (OSError, EOFError, zlib.error) as error:  # cut off, or no gzip in spite of its name
        raise InputError(f"{file} can't be read", rule=str(error)) from None


def _parquet_records(file: str, field: str) -> Iterator[dict[str, Any]]:
    import pyarrow
    import pyarrow.parquet

    with fsspec.open(file, "rb") as raw:
        try:
            table = pyarrow.parquet.ParquetFile(raw)
        except pyarrow.ArrowInvalid as error:
            raise InputError(f"{file} can't be read", rule=str(error)) from None
        columns = [name for name in (field, "messages") if name in table.schema_arrow.names]
        if not columns:
            rule = f"it has neither {field} nor messages, but {', '.join(table.schema_arrow.names)}"
            raise InputError(file, rule=rule, fix="set text_field")
        for batch in table.iter_batches(256, columns=columns):
            yield from batch.to_pylist()
