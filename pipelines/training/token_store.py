"""Token files: documents end to end, read through the page cache, so that neither start nor memory grows with tokens.

A part holds the documents of one shard: `tokens.bin`, `learnt.bin` (conversations only), `lengths.npy`, `rows.npy`,
`groups.npy` and `part.json`. A store is an index over parts: `store.json`, and lengths and groups of all parts in one.
With the order of an epoch that takes 32 bytes a document in each worker's memory.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from pipelines.training.mixture import IntArray

_STORE = "store.json"
_PART = "part.json"
# Each open part holds a file descriptor; the usual limit is 1024 a process.
_OPEN_PARTS = 200


@dataclass(frozen=True)
class EncodedBatch:
    """Some documents: their tokens end to end, each one's length, and what is to be learnt (None = everything).

    Attributes:
        rows: (documents,) each one's row in its shard; None where that is of no interest.
        groups: (documents,) each one's group of the mixture; None without one.
    """

    tokens: npt.NDArray[np.int64]
    lengths: IntArray
    learnt: npt.NDArray[np.bool_] | None = None
    rows: IntArray | None = None
    groups: IntArray | None = None


class PartWriter:
    """Appends documents to a part; it can be read once `finish` has run."""

    def __init__(self, folder: Path, vocabulary: int, tokens: BinaryIO, learnt: BinaryIO | None) -> None:
        self._folder = folder
        self._dtype = np.dtype(np.uint16 if vocabulary <= 1 << 16 else np.uint32)
        self._columns: dict[str, list[IntArray]] = {"lengths": [], "rows": [], "groups": []}
        self._tokens = tokens
        self._learnt = learnt

    def append(self, batch: EncodedBatch) -> None:
        """Add documents."""
        assert (batch.learnt is None) == (self._learnt is None)
        self._tokens.write(batch.tokens.astype(self._dtype).tobytes())
        if batch.learnt is not None and self._learnt is not None:
            self._learnt.write(batch.learnt.astype(np.uint8).tobytes())
        nothing = np.zeros(len(batch.lengths), np.int64)
        self._columns["lengths"].append(batch.lengths)
        self._columns["rows"].append(nothing if batch.rows is None else batch.rows)
        self._columns["groups"].append(nothing if batch.groups is None else batch.groups)

    def finish(self) -> None:
        """Write the index."""
        for name, arrays in self._columns.items():
            np.save(self._folder / f"{name}.npy", _joined(arrays))
        meta = {"dtype": self._dtype.name, "masked": self._learnt is not None}
        (self._folder / _PART).write_text(json.dumps(meta))


@contextmanager
def write_part(folder: Path, vocabulary: int, masked: bool) -> Iterator[PartWriter]:
    """Write a part in `folder`, replacing an unfinished one."""
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as files:
        tokens = files.enter_context((folder / "tokens.bin").open("wb"))
        learnt = files.enter_context((folder / "learnt.bin").open("wb")) if masked else None
        writer = PartWriter(folder, vocabulary, tokens, learnt)
        yield writer
        writer.finish()


@contextmanager
def write_store(folder: Path, vocabulary: int, masked: bool) -> Iterator[PartWriter]:
    """Write a store of one part, both in `folder`."""
    with write_part(folder, vocabulary, masked) as writer:
        yield writer
    join_parts(folder, [PartOrigin(folder, "row")])


@dataclass(frozen=True)
class PartOrigin:
    """A finished part, what its rows are called, and how many rows of that name come before it."""

    folder: Path
    label: str
    rows_before: int = 0


def join_parts(folder: Path, parts: Sequence[PartOrigin]) -> None:
    """Make `folder` a store over finished parts, in their order."""
    folder.mkdir(parents=True, exist_ok=True)
    index: dict[str, Any] = {"parts": []}
    columns: dict[str, list[IntArray]] = {"lengths": [], "groups": []}
    for part in parts:
        index |= json.loads((part.folder / _PART).read_text())
        for name, arrays in columns.items():
            arrays.append(np.load(part.folder / f"{name}.npy"))
        documents, tokens = len(columns["lengths"][-1]), int(columns["lengths"][-1].sum())
        # A relative path, so that the run directory can be moved.
        place = os.path.relpath(part.folder, folder)
        index["parts"].append([place, documents, tokens, part.label, part.rows_before])
    for name, arrays in columns.items():
        np.save(folder / f"all_{name}.npy", _joined(arrays))
    (folder / _STORE).write_text(json.dumps(index, ensure_ascii=False), encoding="utf-8")


class TokenStore:
    """A finished store, open for reading.

    Attributes:
        lengths: (documents,) tokens of each document.
    """

    def __init__(self, folder: Path) -> None:
        index = json.loads((folder / _STORE).read_text(encoding="utf-8"))
        self.lengths: IntArray = np.load(folder / "all_lengths.npy")
        self._folder = folder
        self._parts = [_Part(*fields) for fields in index["parts"]]
        self._part_ends = np.cumsum(np.array([part.documents for part in self._parts], np.int64))
        self._starts = np.cumsum(self.lengths) - self.lengths
        self._dtype = np.dtype(index["dtype"])
        self.token_count = sum(part.tokens for part in self._parts)
        self._tokens = lru_cache(_OPEN_PARTS)(partial(self._map, "tokens.bin", self._dtype))
        self._learnt = lru_cache(_OPEN_PARTS)(partial(self._map, "learnt.bin", np.dtype(np.uint8)))

    def __len__(self) -> int:
        return len(self.lengths)

    def members(self, group: int) -> IntArray:
        """The documents of one group of the mixture."""
        return np.flatnonzero(np.load(self._folder / "all_groups.npy") == group)

    def tokens(self, document: int, start: int = 0, stop: int | None = None) -> npt.NDArray[np.int64]:
        """Tokens `start` to `stop` of a document."""
        part, first = self._place(document)
        last = first + (int(self.lengths[document]) if stop is None else stop)
        return self._tokens(part)[first + start : last].astype(np.int64)

    def learnt(self, document: int) -> npt.NDArray[np.bool_]:
        """(tokens,) what of a conversation is to be learnt."""
        part, first = self._place(document)
        return self._learnt(part)[first : first + int(self.lengths[document])].astype(np.bool_)

    def origin(self, document: int) -> str:
        """Where a document was read from, for people."""
        number = self._part_of(document)
        part = self._parts[number]
        rows = np.load(self._folder / part.folder / "rows.npy", mmap_mode="r")
        return f"{part.label} {part.rows_before + int(rows[document - self._first_document(number)])}"

    def _place(self, document: int) -> tuple[int, int]:
        """(part, first token within it) of a document."""
        part = self._part_of(document)
        return part, int(self._starts[document] - self._starts[self._first_document(part)])

    def _part_of(self, document: int) -> int:
        return int(np.searchsorted(self._part_ends, document, side="right"))

    def _first_document(self, part: int) -> int:
        return int(self._part_ends[part - 1]) if part else 0

    def _map(self, name: str, dtype: np.dtype[Any], part: int) -> npt.NDArray[Any]:
        return _mapped(self._folder / self._parts[part].folder / name, dtype, self._parts[part].tokens)


@dataclass(frozen=True)
class _Part:
    """A line of the index; `folder` is relative to the store's."""

    folder: str
    documents: int
    tokens: int
    label: str
    rows_before: int


def _joined(arrays: Sequence[IntArray]) -> IntArray:
    return np.concatenate(arrays) if arrays else np.empty(0, np.int64)


def _mapped(file: Path, dtype: np.dtype[np.generic], count: int) -> npt.NDArray[np.generic]:
    # An empty file can't be mapped.
    return np.memmap(file, dtype, mode="r", shape=(count,)) if count else np.empty(0, dtype)
