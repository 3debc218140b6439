"""A document as a reader finds it. Pure."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass


@dataclass(frozen=True)
class RawDocument:
    """A row of a file. `text` is None exactly when `failure` says why it could not be read."""

    id: str
    text: str | None
    failure: str = ""


def row_id(file: str, row: int) -> str:
    """The id of a row that has none of its own: `part.jsonl#12`."""
    return f"{mend_surrogates(posixpath.basename(file))}#{row}"


def mend_surrogates(text: str) -> str:
    """JSON can hold half a character (`\\ud83d`), and so can a file's name; no encoding can write it.

    Pairs of halves are joined, single ones replaced.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
