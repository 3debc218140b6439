"""What `input` holds: documents (`text`) or conversations (`messages`), from parquet and jsonl files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import fsspec

from danlu.errors import InputError
from danlu.inputs import find_artifact, find_files

Kind = Literal["text", "chat"]
Conversation = list[dict[str, str]]

_SUFFIXES = (".parquet", ".jsonl")
_ROLES = ("system", "user", "assistant")
_ROWS = 1024
_HASH_STEPS = 1_000_000


def input_files(inputs: str | Sequence[str]) -> list[str]:
    """The files to train on; of a cleaning run only what it kept.

    Raises:
        InputError: nothing is there.
    """
    locations = [inputs] if isinstance(inputs, str) else inputs
    return sorted({file for place in locations for file in find_files(find_artifact(place, "clean"), _SUFFIXES)})


def detect_kind(files: Sequence[str]) -> Kind:
    """Whether the files hold documents or conversations, by the first row of each.

    Raises:
        InputError: a file holds neither, or they differ.
    """
    kinds: dict[Kind, str] = {}
    for file in files:
        row = next(iter(_rows(file)), None)
        if row is not None:
            kinds.setdefault(_kind_of(file, row), file)
    if not kinds:
        raise InputError(f"input has {len(files)} files", rule="none of them has a row")
    if len(kinds) == 2:
        raise InputError(
            f"input mixes text ({kinds['text']}) and conversations ({kinds['chat']})",
            rule="a run trains on one kind",
            fix="pretrain on the text first, then fine-tune with from=<that run> on the conversations",
        )
    return next(iter(kinds))


def read_texts(file: str) -> Iterator[str]:
    """The documents of one file, empty ones left out.

    Raises:
        InputError: a row has no `text`.
    """
    for number, row in enumerate(_rows(file), start=1):
        text = row.get("text")
        if not isinstance(text, str):
            raise InputError(f"{file} row {number}", rule="`text` must be a string")
        if text:
            yield text


def read_conversations(file: str) -> Iterator[Conversation]:
    """The conversations of one file.

    Raises:
        InputError: a row is no list of {role, content}, or nothing in it is said by the assistant.
    """
    for number, row in enumerate(_rows(file), start=1):
        messages = row.get("messages")
        problem = _problem(messages)
        if problem:
            raise InputError(f"{file} row {number}", rule=problem)
        assert isinstance(messages, list)  # _problem has looked
        yield [{"role": message["role"], "content": message["content"]} for message in messages]


def held_out(text: str, share: float) -> bool:
    """Whether a document belongs to the validation split: by its content, so copies never straddle the split."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") % _HASH_STEPS < share * _HASH_STEPS


def conversation_text(conversation: Conversation) -> str:
    """All that is said in a conversation, for hashing and for training a tokenizer."""
    return "\n".join(message["content"] for message in conversation)


def _kind_of(file: str, row: dict[str, Any]) -> Kind:
    if "messages" in row:
        return "chat"
    if "text" in row:
        return "text"
    raise InputError(f"{file} has the fields {', '.join(row) or '(none)'}", rule="`text` or `messages` is needed")


def _problem(messages: Any) -> str:
    if not isinstance(messages, list) or not messages:
        return "`messages` must be a list of {role, content}"
    for message in messages:
        if not isinstance(message, dict) or not isinstance(message.get("content"), str):
            return "each message must have a string `content`"
        if message.get("role") not in _ROLES:
            return f"role is {message.get('role')!r}, not one of {', '.join(_ROLES)}"
    return "" if any(m["role"] == "assistant" for m in messages) else "no message is the assistant's"


def _rows(file: str) -> Iterator[dict[str, Any]]:
    return _parquet_rows(file) if file.lower().endswith(".parquet") else _jsonl_rows(file)


def _parquet_rows(file: str) -> Iterator[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with fsspec.open(file, "rb") as stream:
            table = pq.ParquetFile(stream)
            wanted = [name for name in ("text", "messages") if name in table.schema_arrow.names]
            if not wanted:
                fields = ", ".join(table.schema_arrow.names)
                raise InputError(f"{file} has the columns {fields}", rule="`text` or `messages` is needed")
            for batch in table.iter_batches(_ROWS, columns=wanted):
                yield from batch.to_pylist()
    except pa.ArrowInvalid as error:
        raise InputError(f"{file} is no readable parquet file", rule=str(error).splitlines()[0]) from None


def _jsonl_rows(file: str) -> Iterator[dict[str, Any]]:
    with fsspec.open(file, "rt", encoding="utf-8") as stream:
        try:
            for number, line in enumerate(stream, start=1):
                if line.strip():
                    yield _json_object(file, number, line)
        except UnicodeDecodeError as error:
            raise InputError(f"{file} is not UTF-8", rule=str(error)) from None


def _json_object(file: str, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise InputError(f"{file} line {number} is not JSON", rule=error.msg) from None
    if not isinstance(row, dict):
        raise InputError(f"{file} line {number} is a {type(row).__name__}", rule="each line must be a JSON object")
    return row
