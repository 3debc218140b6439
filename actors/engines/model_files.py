"""What a model folder's JSON files say, whichever engine reads it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from danlu.errors import InputError


def read_config(folder: Path) -> dict[str, Any]:
    """A model folder's config.json.

    Raises:
        InputError: it is missing or no JSON object.
    """
    if not (folder / "config.json").is_file():
        raise InputError(f"{folder} is no model", rule="it has no config.json", fix="check the path")
    return read_json(folder / "config.json")


def end_tokens(folder: Path, config: dict[str, Any]) -> set[int]:
    """Ids that end an answer: generation_config.json's, else config.json's."""
    file = folder / "generation_config.json"
    generation = read_json(file) if file.is_file() else {}
    found = generation.get("eos_token_id")
    found = config.get("eos_token_id") if found is None else found
    if found is None:
        return set()
    return {found} if isinstance(found, int) else set(found)


def context_length(config: dict[str, Any]) -> int:
    """Tokens that prompt and answer may have together; InputError when config.json does not say."""
    return _count(config, "max_position_embeddings")


def vocabulary_size(config: dict[str, Any]) -> int:
    """Rows of the embedding; InputError when config.json does not say."""
    return _count(config, "vocab_size")


def _count(config: dict[str, Any], key: str) -> int:
    value = config.get(key)
    if not isinstance(value, int) or value < 1:
        raise InputError(f"config.json: {key} is {value!r}", rule="it must be a number of tokens")
    return value


def read_json(file: Path) -> dict[str, Any]:
    """A JSON object from a file.

    Raises:
        InputError: it can't be read or is no object.
    """
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{file} can't be read", rule=str(error)) from None
    if not isinstance(values, dict):
        raise InputError(f"{file} holds a {type(values).__name__}", rule="it must be a JSON object")
    return values
