"""Passages out of benchmark files: each text of a row that is to be kept out of a corpus."""

from __future__ import annotations

import csv
import json
import posixpath
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import fsspec

from danlu.errors import InputError
from danlu.inputs import find_files
from pipelines.cleaning.formats import PACKED_SUFFIXES, suffix_of
from pipelines.cleaning.streams import READ_ERRORS, NoTextError, UnreadLine, read_lines

_PACKABLE = (".jsonl", ".csv", ".txt")
SUFFIXES = (*_PACKABLE, *(suffix + packed for suffix in _PACKABLE for packed in PACKED_SUFFIXES), ".parquet")
_KEY = "decontaminate.against"
_LINE_FIELD = "line"


@dataclass(frozen=True)
class Passage:
    """One text of a benchmark: `field` of the `row`th row (from 0) of `file` (its name without folders)."""

    file: str
    row: int
    field: str
    text: str


def benchmark_files(against: str | Sequence[str]) -> list[str]:
    """The files that `decontaminate.against` names.

    Raises:
        InputError: one is missing, empty or of a kind that is not read.
    """
    files = find_files(against, SUFFIXES, key=_KEY)
    odd = [file for file in files if not file.lower().endswith(SUFFIXES)]
    if odd:
        raise InputError(f"{_KEY}: {odd[0]}", rule=f"its name ends with none of {', '.join(SUFFIXES)}")
    return files


def read_passages(file: str, fields: Sequence[str]) -> Iterator[Passage]:
    """The texts (or lists of texts) under any of `fields`, row by row; every line of a .txt file.

    A benchmark that is only half read would protect nothing, so damage is an error here.

    Raises:
        InputError: the file is damaged, a row is no row, or no row has any of the fields.
    """
    known: dict[str, None] = {}
    found = False
    try:
        for row, values in enumerate(_READERS[suffix_of(file)](file)):
            known.update(dict.fromkeys(values))
            for field in [_LINE_FIELD] if _is_plain(file) else fields:
                for text in _texts(values.get(field)):
                    found = True
                    yield Passage(posixpath.basename(file), row, field, text)
    except (*READ_ERRORS, NoTextError, csv.Error) as error:
        raise _damaged(file, str(error)) from None
    if not found:
        names = ", ".join(map(repr, known)) or "none"
        raise InputError(
            f"{_KEY}: {file}",
            rule=f"it has no text in {', '.join(fields)}; its fields are {names}",
            fix="set decontaminate.text_fields to those that hold the benchmark's texts",
        )


def _texts(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [text for text in values if isinstance(text, str) and text.strip()]


def _is_plain(file: str) -> bool:
    return suffix_of(file) == ".txt"


def _read_jsonl(file: str) -> Iterator[Mapping[str, Any]]:
    for number, line in _lines(file):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except ValueError as error:
            raise _damaged(file, f"line {number}: not JSON: {error}") from None
        if not isinstance(values, dict):
            raise _damaged(file, f"line {number}: a {type(values).__name__}, not an object")
        yield values


def _read_csv(file: str) -> Iterator[Mapping[str, Any]]:
    csv.field_size_limit(2**31 - 1)
    yield from csv.DictReader(line + "\n" for _, line in _lines(file))


def _read_parquet(file: str) -> Iterator[Mapping[str, Any]]:
    import pyarrow.parquet as pq

    with fsspec.open(file, "rb") as stream:
        for batch in pq.ParquetFile(stream).iter_batches():
            yield from batch.to_pylist()


def _read_plain(file: str) -> Iterator[Mapping[str, Any]]:
    yield from ({_LINE_FIELD: line} for _, line in _lines(file))


def _lines(file: str) -> Iterator[tuple[int, str]]:
    """(number from 1, line)."""
    for number, line in enumerate(read_lines(file), start=1):
        if isinstance(line, UnreadLine):
            raise _damaged(file, f"line {number}: {line.failure}")
        yield number, line


def _damaged(file: str, what: str) -> InputError:
    return InputError(f"{_KEY}: {file}", rule=what, fix="mend the file, or leave it out")


_READERS: dict[str, Callable[[str], Iterator[Mapping[str, Any]]]] = {
    ".jsonl": _read_jsonl,
    ".csv": _read_csv,
    ".parquet": _read_parquet,
    ".txt": _read_plain,
}
