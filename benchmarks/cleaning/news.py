"""Chinese news with many natural near duplicates (`chinese_news` of DANLU_DATA), and the truth about some of them.

Documents are named as `danlu clean` names them: FILE.txt#LINE, lines from 0.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from benchmarks.machine import data_folder
from danlu.errors import InputError
from pipelines.cleaning.components import components

# The files among whose documents all pairs are known.
COMPARED_FILES = tuple(f"documents_dup_part_{name}" for name in ("1_part_1", "1_part_2", "1_part_3", "2_part_1",
                                                                "2_part_2"))  # fmt: skip
_GRAM_CHARACTERS = 5


@dataclass(frozen=True)
class Pair:
    """Two documents and the exact Jaccard similarity of their character 5-grams."""

    a: str
    b: str
    jaccard: float


class News:
    """The folder of news.

    Raises:
        InputError: it is not there.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or data_folder() / "chinese_news"
        if not self.folder.is_dir():
            raise InputError(f"{self.folder} does not exist", fix="set DANLU_DATA to the folder of public data sets")

    @cached_property
    def files(self) -> tuple[str, ...]:
        """Names of all files, those with known pairs first."""
        found = sorted(file.stem for file in self.folder.glob("documents_dup_part_*.txt"))
        return (*COMPARED_FILES, *(name for name in found if name not in COMPARED_FILES))

    def path(self, name: str) -> Path:
        return self.folder / f"{name}.txt"

    def documents(self, names: Iterable[str]) -> Iterator[tuple[str, str]]:
        """(id, text) of the documents of some files; empty lines are none."""
        for name in names:
            with self.path(name).open(encoding="utf-8") as lines:
                for number, line in enumerate(lines):
                    if line.strip():
                        yield f"{name}.txt#{number}", line.rstrip("\n")

    def pairs(self, names: Sequence[str] = COMPARED_FILES) -> list[Pair]:
        """The known pairs within some files."""
        rows = map(json.loads, (self.folder / "near_duplicate_pairs.jsonl").read_text(encoding="utf-8").splitlines())
        return [
            Pair(f"{a}.txt#{line_a}", f"{b}.txt#{line_b}", row["jaccard5"])
            for row in rows
            for (a, line_a), (b, line_b) in [(row["a"], row["b"])]
            if a in names and b in names
        ]


def body(text: str) -> str:
    """A document without its date prefix."""
    return text.partition("正文：")[2] or text


def grams(text: str) -> frozenset[str]:
    """Character 5-grams of a document without date prefix, punctuation and spaces; what the known pairs are made of."""
    bare = "".join(character for character in body(text) if character.isalnum())
    last = max(len(bare) - _GRAM_CHARACTERS, 0)
    return frozenset(bare[start : start + _GRAM_CHARACTERS] for start in range(last + 1))


def exact_jaccard(left: str, right: str) -> float:
    """Jaccard similarity of two documents' 5-grams."""
    a, b = grams(left), grams(right)
    common = len(a & b)
    return common / (len(a) + len(b) - common)


def groups_of(pairs: Iterable[Pair], least: float) -> list[list[str]]:
    """Documents connected by pairs with a similarity of at least `least`: groups of two and more."""
    close = [pair for pair in pairs if pair.jaccard >= least]
    ids = sorted({identifier for pair in close for identifier in (pair.a, pair.b)})
    place = {identifier: number for number, identifier in enumerate(ids)}
    edges = np.array([(place[pair.a], place[pair.b]) for pair in close], dtype=np.int64).reshape(-1, 2)
    return [[ids[n] for n in group] for group in components(edges)]


def surplus(groups: Iterable[Sequence[str]]) -> int:
    """How many documents of the groups are more than one of each."""
    return sum(len(group) - 1 for group in groups)


def surplus_left(groups: Iterable[Sequence[str]], gone: set[str]) -> int:
    """How many of them are still there."""
    return sum(max(len(set(group) - gone) - 1, 0) for group in groups)
