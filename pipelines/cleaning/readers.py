"""Raw documents out of files of every supported kind. A row that can't be read becomes a document with a `failure`."""

from __future__ import annotations

import csv
import json
import posixpath
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import fsspec

from danlu.errors import InputError
from pipelines.cleaning.formats import SUFFIXES, refuse_archives, suffix_of
from pipelines.cleaning.streams import READ_ERRORS, NoTextError, read_lines, read_text

_PARQUET_ROWS = 1000


@dataclass(frozen=True)
class Fields:
    """The names of the columns (or keys) that hold the text and the id."""

    text: str
    id: str


@dataclass(frozen=True)
class RawDocument:
    """A row of a file. `text` is None exactly when `failure` says why it could not be read."""

    id: str
    text: str | None
    failure: str = ""


def read_documents(file: str, fields: Fields) -> Iterator[RawDocument]:
    """The documents of one file in their order. Damage ends the file with a last document that says so.

    Raises:
        InputError: the file has rows, but none with the text field.
        NotAvailableError: a kind of file that is not read.
    """
    reader = _reader(file)
    row = 0
    try:
        for row, document in enumerate(reader(file, fields), start=1):  # noqa: B007  # `row` is used after the loop
            yield document
    except NoTextError as error:
        yield RawDocument(f"{_name(file)}#{row}", None, error.what)
    except READ_ERRORS as error:
        yield RawDocument(f"{_name(file)}#{row}", None, f"the file is damaged from here on: {error}")


def _reader(file: str) -> Callable[[str, Fields], Iterator[RawDocument]]:
    refuse_archives([file])
    suffix = suffix_of(file)
    if not suffix:
        raise InputError(f"input file {file}", rule=f"its name ends with none of {', '.join(SUFFIXES)}")
    return _READERS[suffix]


def _read_jsonl(file: str, fields: Fields) -> Iterator[RawDocument]:
    keys: list[str] = []
    has_text = False
    for row, line in enumerate(read_lines(file)):
        if line is not None and not line.strip():
            continue
        values, failure = _parse_json(line)
        keys = keys or list(values)
        has_text = has_text or fields.text in values
        yield _document(file, row, values, fields) if not failure else _failed(file, row, failure)
    if keys and not has_text:
        raise _no_text_field(file, fields, "keys", keys)


def _parse_json(line: str | None) -> tuple[dict[str, Any], str]:
    if line is None:
        return {}, "the line can't be decoded"
    try:
        values = json.loads(line)
    except (ValueError, RecursionError) as error:
        return {}, f"not JSON: {error}"
    return (values, "") if isinstance(values, dict) else ({}, f"a JSON {type(values).__name__}, not an object")


def _read_csv(file: str, fields: Fields) -> Iterator[RawDocument]:
    csv.field_size_limit(2**31 - 1)
    # A csv record may go over several lines, so a line that can't be decoded keeps its place.
    lines = (("\ufffd" if line is None else line) + "\n" for line in read_lines(file))
    records = csv.reader(lines)
    header = next(records, [])
    if header and fields.text not in header:
        raise _no_text_field(file, fields, "columns", header)
    row = 0
    while True:
        try:
            record = next(records, None)
        except csv.Error as error:
            yield _failed(file, row, f"not CSV: {error}")
            row += 1
            continue
        if record is None:
            return
        if record:
            yield _document(file, row, dict(zip(header, record, strict=False)), fields)
            row += 1


def _read_parquet(file: str, fields: Fields) -> Iterator[RawDocument]:
    import pyarrow.parquet as pq

    with fsspec.open(file, "rb") as stream:
        table = pq.ParquetFile(stream)
        names = table.schema_arrow.names
        if fields.text not in names:
            raise _no_text_field(file, fields, "columns", names)
        row = 0
        columns = [name for name in (fields.text, fields.id) if name in names]
        for batch in table.iter_batches(_PARQUET_ROWS, columns=columns):
            for values in batch.to_pylist():
                yield _document(file, row, values, fields)
                row += 1


def _read_text_lines(file: str, fields: Fields) -> Iterator[RawDocument]:
    for row, line in enumerate(read_lines(file)):
        if line is None:
            yield _failed(file, row, "the line can't be decoded")
        elif line.strip():
            yield RawDocument(f"{_name(file)}#{row}", line)


def _read_page(file: str, fields: Fields) -> Iterator[RawDocument]:
    import trafilatura

    page = read_text(file)
    text = trafilatura.extract(page, include_comments=False, favor_precision=True) if page.strip() else None
    yield RawDocument(_name(file), text, "" if text else "no main text found in the page")


def _document(file: str, row: int, values: dict[str, Any], fields: Fields) -> RawDocument:
    """A row of a table: the id column when it has a value, else file name and row; the text, or why there is none."""
    given = values.get(fields.id)
    identifier = _mend_surrogates(str(given)) if given not in (None, "") else f"{_name(file)}#{row}"
    text = values.get(fields.text)
    if isinstance(text, str):
        return RawDocument(identifier, _mend_surrogates(text))
    if fields.text not in values:
        return RawDocument(identifier, None, f"the row has no {fields.text!r}")
    failure = f"{fields.text!r} is " + ("null" if text is None else f"a {type(text).__name__}, not text")
    return RawDocument(identifier, None, failure)


def _failed(file: str, row: int, failure: str) -> RawDocument:
    return RawDocument(f"{_name(file)}#{row}", None, failure)


def _no_text_field(file: str, fields: Fields, what: str, names: list[str]) -> InputError:
    return InputError(
        f"text_field is {fields.text!r}",
        rule=f"{file} has the {what} {', '.join(map(repr, names))}",
        fix=f"set text_field to the one that holds the text, e.g. text_field={names[-1]}",
    )


def _name(file: str) -> str:
    return posixpath.basename(file)


def _mend_surrogates(text: str) -> str:
    """JSON can hold half a character (`\\ud83d`), which no encoding can write: pairs are joined, halves replaced."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


_READERS: dict[str, Callable[[str, Fields], Iterator[RawDocument]]] = {
    ".jsonl": _read_jsonl,
    ".csv": _read_csv,
    ".parquet": _read_parquet,
    ".txt": _read_text_lines,
    ".html": _read_page,
    ".htm": _read_page,
}
