"""What `input` holds: documents (`text`) or conversations (`messages`), from parquet and jsonl files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from danlu.errors import InputError
from danlu.inputs import find_artifact, find_files
from pipelines.training.input_shards import InputShard, first_row, read_shard

Kind = Literal["text", "chat"]
Conversation = list[dict[str, Any]]
Inputs = str | list[str] | dict[str, str | list[str]]

_SUFFIXES = (".parquet", ".jsonl")
_ROLES = ("system", "user", "assistant", "tool")
_MESSAGE_KEYS = ("role", "content", "tool_calls", "tool_call_id", "name")
_CONTENT = ("text", "messages", "tools")
_HASH_STEPS = 1_000_000


@dataclass(frozen=True)
class Document:
    """One document or conversation.

    Attributes:
        row: its row within its shard, from 1.
        domain: what the `domain` column says; None where the file has no such column.
        tools: the functions that a conversation's assistant may call, as chat templates take them.
    """

    row: int
    content: str | Conversation
    domain: str | None
    tools: list[Any] | None = None


def input_files(inputs: Inputs) -> list[str]:
    """The files to train on; of a cleaning run only what it kept.

    Raises:
        InputError: nothing is there.
    """
    if isinstance(inputs, Mapping):
        return sorted(input_names(inputs))
    locations = [inputs] if isinstance(inputs, str) else inputs
    return sorted({file for place in locations for file in find_files(find_artifact(place, "clean"), _SUFFIXES)})


def input_names(inputs: Inputs) -> dict[str, str]:
    """The name of the input that each file belongs to; empty where inputs have no names.

    Raises:
        InputError: two inputs hold the same file.
    """
    found: dict[str, str] = {}
    for name, places in inputs.items() if isinstance(inputs, Mapping) else ():
        for file in input_files(places):
            if file in found:
                raise InputError(f"input.{name} and input.{found[file]} both hold {file}", rule="a file has one name")
            found[file] = name
    return found


def detect_kind(files: Sequence[str]) -> Kind:
    """Whether the files hold documents or conversations, by the first row of each.

    Raises:
        InputError: a file holds neither, or they differ.
    """
    kinds: dict[Kind, str] = {}
    for file in files:
        row = first_row(file, _CONTENT)
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


def read_documents(shard: InputShard, kind: Kind, with_domain: bool = False) -> Iterator[Document]:
    """The documents or conversations of a shard; empty texts are left out.

    Raises:
        InputError: a row has no text, or its conversation is not one.
    """
    columns = (*_CONTENT, "domain") if with_domain else _CONTENT
    for row, fields in read_shard(shard, columns):
        content = _text(shard, row, fields) if kind == "text" else _conversation(shard, row, fields)
        if content:
            domain = str(fields["domain"] or "") if "domain" in fields else None
            yield Document(row, content, domain, fields.get("tools") or None)


def held_out(text: str, share: float) -> bool:
    """Whether a document belongs to the validation split: by its content, so copies never straddle the split."""
    return _hash_step(text) < share * _HASH_STEPS


def sampled(text: str, share: float, seed: int) -> bool:
    """Whether a document belongs to a sample of about `share`: by content and seed, independently of `held_out`."""
    return _hash_step(text, f"sample {seed}".encode()) < share * _HASH_STEPS


def text_of(content: str | Conversation) -> str:
    """A document's text, or all that is said in a conversation: for hashing and for training a tokenizer."""
    if isinstance(content, str):
        return content
    return "\n".join(f"{message['content']}{_calls(message)}" for message in content)


def _kind_of(file: str, row: dict[str, Any]) -> Kind:
    if "messages" in row:
        return "chat"
    if "text" in row:
        return "text"
    raise InputError(f"{file} has the fields {', '.join(row) or '(none)'}", rule="`text` or `messages` is needed")


def _text(shard: InputShard, row: int, fields: dict[str, Any]) -> str:
    text = fields.get("text")
    if not isinstance(text, str):
        raise InputError(shard.row_name(row), rule="`text` must be a string")
    return text


def _conversation(shard: InputShard, row: int, fields: dict[str, Any]) -> Conversation:
    messages = fields.get("messages")
    if problem := _problem(messages):
        raise InputError(shard.row_name(row), rule=problem)
    assert isinstance(messages, list)  # _problem has looked
    return [_message(message) for message in messages]


def _message(fields: dict[str, Any]) -> dict[str, Any]:
    """What chat templates read of a message; a call without words has empty ones."""
    found = {key: fields[key] for key in _MESSAGE_KEYS if fields.get(key) is not None}
    return {"content": ""} | found


def _calls(message: dict[str, Any]) -> str:
    calls = message.get("tool_calls")
    return json.dumps(calls, ensure_ascii=False, sort_keys=True) if calls else ""


def _problem(messages: Any) -> str:
    if not isinstance(messages, list) or not messages:
        return "`messages` must be a list of {role, content}"
    for message in messages:
        if not isinstance(message, dict) or not isinstance(_words(message), str):
            return "each message must have a string `content`"
        if message.get("role") not in _ROLES:
            return f"role is {message.get('role')!r}, not one of {', '.join(_ROLES)}"
    return "" if any(m["role"] == "assistant" for m in messages) else "no message is the assistant's"


def _words(message: dict[str, Any]) -> Any:
    content = message.get("content")
    return "" if content is None and message.get("tool_calls") else content


def _hash_step(text: str, key: bytes = b"") -> int:
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8, key=key).digest()
    return int.from_bytes(digest, "big") % _HASH_STEPS
