"""Token files: all documents end to end, read through the page cache, so that neither start nor memory grows with them.

A store is a folder with `tokens.bin`, `learnt.bin` (conversations only), `lengths.npy` and `store.json`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from pipelines.training.order import IntArray

_META = "store.json"


@dataclass(frozen=True)
class EncodedBatch:
    """Some documents: their tokens end to end, each one's length, and what is to be learnt (None = everything)."""

    tokens: npt.NDArray[np.int64]
    lengths: IntArray
    learnt: npt.NDArray[np.bool_] | None = None


class StoreWriter:
    """Appends documents to a store; it can be read once `finish` has run."""

    def __init__(self, folder: Path, vocabulary: int, tokens: BinaryIO, learnt: BinaryIO | None) -> None:
        self._folder = folder
        self._dtype = np.dtype(np.uint16 if vocabulary <= 1 << 16 else np.uint32)
        self._lengths: list[IntArray] = []
        self._tokens = tokens
        self._learnt = learnt

    def append(self, batch: EncodedBatch) -> None:
        """Add documents."""
        assert (batch.learnt is None) == (self._learnt is None)
        self._tokens.write(batch.tokens.astype(self._dtype).tobytes())
        if batch.learnt is not None and self._learnt is not None:
            self._learnt.write(batch.learnt.astype(np.uint8).tobytes())
        self._lengths.append(batch.lengths)

    def finish(self) -> None:
        """Write the index."""
        lengths = np.concatenate(self._lengths) if self._lengths else np.empty(0, np.int64)
        np.save(self._folder / "lengths.npy", lengths)
        (self._folder / _META).write_text(json.dumps({"dtype": self._dtype.name, "masked": self._learnt is not None}))


@contextmanager
def write_store(folder: Path, vocabulary: int, masked: bool) -> Iterator[StoreWriter]:
    """Write a store in `folder`, replacing an unfinished one."""
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as files:
        tokens = files.enter_context((folder / "tokens.bin").open("wb"))
        learnt = files.enter_context((folder / "learnt.bin").open("wb")) if masked else None
        writer = StoreWriter(folder, vocabulary, tokens, learnt)
        yield writer
        writer.finish()


class TokenStore:
    """A finished store, open for reading.

    Attributes:
        lengths: (documents,) tokens of each document.
    """

    def __init__(self, folder: Path) -> None:
        meta = json.loads((folder / _META).read_text())
        self.lengths: IntArray = np.load(folder / "lengths.npy")
        self._starts = np.cumsum(self.lengths) - self.lengths
        count = int(self.lengths.sum())
        self._tokens = _mapped(folder / "tokens.bin", np.dtype(meta["dtype"]), count)
        self._learnt = _mapped(folder / "learnt.bin", np.dtype(np.uint8), count) if meta["masked"] else None
        self.token_count = count

    def __len__(self) -> int:
        return len(self.lengths)

    def tokens(self, document: int, start: int = 0, stop: int | None = None) -> npt.NDArray[np.int64]:
        """Tokens `start` to `stop` of a document."""
        first = int(self._starts[document])
        last = first + (int(self.lengths[document]) if stop is None else stop)
        return self._tokens[first + start : last].astype(np.int64)

    def learnt(self, document: int) -> npt.NDArray[np.bool_]:
        """(tokens,) what of a conversation is to be learnt."""
        assert self._learnt is not None
        first = int(self._starts[document])
        return self._learnt[first : first + int(self.lengths[document])].astype(np.bool_)


def _mapped(file: Path, dtype: np.dtype[np.generic], count: int) -> npt.NDArray[np.generic]:
    # An empty file can't be mapped.
    return np.memmap(file, dtype, mode="r", shape=(count,)) if count else np.empty(0, dtype)
