"""Raw documents out of files of every supported kind. A row that can't be read becomes a document with a `failure`."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import fsspec

from danlu.errors import InputError
from pipelines.cleaning.archives import DamagedArchiveError, read_archive
from pipelines.cleaning.config import TextFiles
from pipelines.cleaning.document import RawDocument, mend_surrogates, row_id
from pipelines.cleaning.formats import PAGE_SUFFIXES, SUFFIXES, suffix_of
from pipelines.cleaning.pages import NO_MAIN_TEXT, decode_page, main_text
from pipelines.cleaning.records import read_records
from pipelines.cleaning.streams import READ_ERRORS, NoTextError, UnreadLine, decode, read_lines, read_whole

# Documents may be large, and a batch is held at once.
_PARQUET_ROWS = 100
_PARQUET_BUFFER_BYTES = 1 << 20


@dataclass(frozen=True)
class Fields:
    """Where in a file its documents are.

    text, id: the columns (or keys) that hold them. text_files: whether each line of a .txt file is one, or all of it.
    """

    text: str
    id: str
    text_files: TextFiles = "lines"


def read_documents(file: str, fields: Fields, source: str = "") -> Iterator[RawDocument]:
    """The documents of one file in their order. Damage ends the file with a last document that says so.

    Args:
        source: the file's name in the corpus, the id of a text file that is one document.

    Raises:
        InputError: the file has rows, but none with the text field; or it is of a kind that is not read.
    """
    documents = _documents(file, fields, source)
    rows = 0
    try:
        for document in documents:
            rows += 1
            yield document
    except NoTextError as error:
        yield RawDocument(row_id(file, rows), None, error.what)
    except (FileNotFoundError, PermissionError) as error:
        yield RawDocument(row_id(file, rows), None, f"the file can't be read: {error.strerror or error}")
    except (*READ_ERRORS, DamagedArchiveError) as error:
        yield RawDocument(row_id(file, rows), None, f"the file is damaged from here on: {error}")


def _documents(file: str, fields: Fields, source: str) -> Iterator[RawDocument]:
    suffix = suffix_of(file)
    if not suffix:
        raise InputError(f"input file {file}", rule=f"its name ends with none of {', '.join(SUFFIXES)}")
    if suffix in PAGE_SUFFIXES:
        return _read_page(file)
    if suffix == ".warc":
        return read_archive(file)
    if suffix == ".txt" and fields.text_files == "whole":
        return _read_text_file(file, source or _name(file))
    return _READERS[suffix](file, fields)


def _read_jsonl(file: str, fields: Fields) -> Iterator[RawDocument]:
    keys: list[str] = []
    has_text = False
    for row, line in enumerate(read_lines(file)):
        if not isinstance(line, UnreadLine) and not line.strip():
            continue
        values, failure = _parse_json(line)
        keys = keys or list(values)
        has_text = has_text or fields.text in values
        yield _document(file, row, values, fields) if not failure else RawDocument(row_id(file, row), None, failure)
    if keys and not has_text:
        raise _no_text_field(file, fields, "keys", keys)


def _parse_json(line: str | UnreadLine) -> tuple[dict[str, Any], str]:
    if isinstance(line, UnreadLine):
        return {}, line.failure
    try:
        values = json.loads(line.lstrip("\ufeff"))  # in files that were put together, a mark may begin any line
    except (ValueError, RecursionError) as error:
        return {}, f"not JSON: {error}"
    return (values, "") if isinstance(values, dict) else ({}, f"a JSON {type(values).__name__}, not an object")


def _read_csv(file: str, fields: Fields) -> Iterator[RawDocument]:
    header: list[str] = []
    row = 0
    for record in read_records(read_lines(file)):
        if isinstance(record, UnreadLine):
            yield RawDocument(row_id(file, row), None, record.failure)
        elif not header:
            header = record
            if fields.text not in header:
                raise _no_text_field(file, fields, "columns", header)
            continue
        elif any(record[len(header) :]):
            failure = f"the row has {len(record)} values, the header {len(header)} columns"
            yield RawDocument(row_id(file, row), None, failure)
        else:
            yield _document(file, row, dict(zip(header, record, strict=False)), fields)
        row += 1


def _read_parquet(file: str, fields: Fields) -> Iterator[RawDocument]:
    import pyarrow.parquet as pq

    with fsspec.open(file, "rb") as stream:
        table = pq.ParquetFile(stream, buffer_size=_PARQUET_BUFFER_BYTES)
        names = table.schema_arrow.names
        if fields.text not in names:
            raise _no_text_field(file, fields, "columns", names)
        _require_text(file, fields, table.schema_arrow.field(fields.text).type)
        row = 0
        columns = [name for name in (fields.text, fields.id) if name in names]
        for batch in table.iter_batches(_PARQUET_ROWS, columns=columns):
            for values in _batch_rows(batch):
                yield _document(file, row, values, fields)
                row += 1


def _require_text(file: str, fields: Fields, kind: Any) -> None:
    import pyarrow as pa

    inner = kind.value_type if pa.types.is_dictionary(kind) else kind
    texts = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_null)
    if not any(is_text(inner) for is_text in texts):
        raise InputError(
            f"text_field is {fields.text!r}",
            rule=f"in {file} that column holds {kind}, not text",
            fix="set text_field to a column of strings",
        )


def _batch_rows(batch: Any) -> list[dict[str, Any]]:
    """The rows of a batch; bytes in the place of strings that are no UTF-8, which other writers let through."""
    try:
        return batch.to_pylist()
    except UnicodeDecodeError:
        columns = [[_value(scalar) for scalar in column] for column in batch.columns]
        return [dict(zip(batch.schema.names, values, strict=True)) for values in zip(*columns, strict=True)]


def _value(scalar: Any) -> Any:
    try:
        return scalar.as_py()
    except UnicodeDecodeError as error:
        return error.object


def _read_text_lines(file: str, fields: Fields) -> Iterator[RawDocument]:
    for row, line in enumerate(read_lines(file)):
        if isinstance(line, UnreadLine):
            yield RawDocument(row_id(file, row), None, line.failure)
        elif line.strip():
            yield RawDocument(row_id(file, row), line)


def _read_text_file(file: str, source: str) -> Iterator[RawDocument]:
    text = decode(read_whole(file)).removeprefix("\ufeff")
    if text.strip():
        yield RawDocument(source, text)


def _read_page(file: str) -> Iterator[RawDocument]:
    text = main_text(decode_page(read_whole(file)))
    yield RawDocument(_name(file), text, "" if text else NO_MAIN_TEXT)


def _name(file: str) -> str:
    return mend_surrogates(posixpath.basename(file))


def _document(file: str, row: int, values: dict[str, Any], fields: Fields) -> RawDocument:
    """A row of a table: the id column when it has a value, else file name and row; the text, or why there is none."""
    given = values.get(fields.id)
    identifier = row_id(file, row) if given in (None, "") else mend_surrogates(_id_text(given))
    text = values.get(fields.text)
    if isinstance(text, str):
        return RawDocument(identifier, mend_surrogates(text))
    if fields.text not in values:
        return RawDocument(identifier, None, f"the row has no {fields.text!r}")
    failure = f"{fields.text!r} is " + ("null" if text is None else f"a {type(text).__name__}, not text")
    return RawDocument(identifier, None, failure)


def _id_text(given: Any) -> str:
    """An id of any type as text: what JSON has a form for in that form."""
    if isinstance(given, bool | list | dict):
        return json.dumps(given, ensure_ascii=False, default=str)
    return given.decode("utf-8", "replace") if isinstance(given, bytes) else str(given)


def _no_text_field(file: str, fields: Fields, what: str, names: list[str]) -> InputError:
    return InputError(
        f"text_field is {fields.text!r}",
        rule=f"{file} has the {what} {', '.join(map(repr, names))}",
        fix=f"set text_field to the one that holds the text, e.g. text_field={names[-1]}",
    )


_READERS: dict[str, Callable[[str, Fields], Iterator[RawDocument]]] = {
    ".jsonl": _read_jsonl,
    ".csv": _read_csv,
    ".parquet": _read_parquet,
    ".txt": _read_text_lines,
}
