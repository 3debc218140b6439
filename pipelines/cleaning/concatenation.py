"""Texts laid end to end, so that what is asked of every character is asked once for many texts. Pure.

A call into numpy costs as much as its work on a text of a thousand characters; for a corpus of such texts that is most
of the time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pipelines.cleaning.characters import code_points

# Characters at a time: what is held for each of them, some 50 bytes, stays small.
MOST_CHARACTERS = 1 << 20


@dataclass(frozen=True)
class Concatenation:
    """points: (n_characters,) uint32 code points of all texts. lengths: (n_texts,) int64."""

    points: np.ndarray
    lengths: np.ndarray

    @classmethod
    def of(cls, texts: Sequence[str]) -> Concatenation:
        return cls(code_points("".join(texts)), np.array([len(text) for text in texts], dtype=np.int64))

    @classmethod
    def join(cls, points: Sequence[np.ndarray]) -> Concatenation:
        """Texts given by their code points."""
        lengths = np.array([len(text) for text in points], dtype=np.int64)
        return cls(np.concatenate([np.zeros(0, dtype=np.uint32), *points]), lengths)

    @property
    def ends(self) -> np.ndarray:
        """(n_texts,) where each text ends."""
        return np.cumsum(self.lengths)

    @property
    def owners(self) -> np.ndarray:
        """(n_characters,) int64: the place of each character's text."""
        return np.repeat(np.arange(len(self.lengths)), self.lengths)

    def count(self, kinds: np.ndarray, different: int) -> np.ndarray:
        """(n_texts, different) int64: how many characters of each kind a text has.

        Args:
            kinds: (n_characters,), from 0 to `different` - 1.
        """
        cells = np.bincount(self.owners * different + kinds, minlength=len(self.lengths) * different)
        return cells.reshape(-1, different)

    def select(self, kept: np.ndarray) -> Concatenation:
        """The same texts without the characters that (n_characters,) `kept` leaves out."""
        before = np.concatenate([[0], np.cumsum(kept)])
        ends = self.ends
        return Concatenation(self.points[kept], before[ends] - before[ends - self.lengths])

    def split(self) -> list[np.ndarray]:
        """The code points of each text."""
        ends = self.ends
        return [
            self.points[start:end] for start, end in zip((ends - self.lengths).tolist(), ends.tolist(), strict=True)
        ]


def in_runs(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """Neighbouring texts up to `MOST_CHARACTERS`; a longer one is alone."""
    start = held = 0
    for place, text in enumerate(texts):
        if held and held + len(text) > MOST_CHARACTERS:
            yield texts[start:place]
            start, held = place, 0
        held += len(text)
    if start < len(texts):
        yield texts[start:]
