"""Files into documents: one text with an id and a title each, or the reason why not."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import fsspec

from danlu.errors import InputError

_BATCH_ROWS = 512


@dataclass(frozen=True)
class Document:
    """A text to index; headings are written as Markdown. `title` is used when the text has none of its own."""

    id: str
    text: str
    title: str


@dataclass(frozen=True)
class Rejected:
    """A document that can't be indexed, and why."""

    id: str
    reason: str


@dataclass(frozen=True)
class Fields:
    """The names of a table's columns (or of a JSON line's keys)."""

    text: str = "text"
    id: str = "id"
    title: str = "title"


def document_ids(files: Sequence[str]) -> dict[str, str]:
    """An id for every file: its name without ending, or its whole path where two names are the same."""
    stems = {file: PurePosixPath(file).stem for file in files}
    uses = Counter(stems.values())
    return {file: stem if uses[stem] == 1 else file for file, stem in stems.items()}


def read_documents(file: str, file_id: str, fields: Fields) -> Iterator[Document | Rejected]:
    """The documents of a file: one of a text file, one for each row of a table.

    Raises:
        InputError: a table can't be read at all. What is wrong with one document comes as `Rejected`.
    """
    suffix = PurePosixPath(file).suffix.lower()
    if suffix in _TABLES:
        yield from _rows(_TABLES[suffix](file), file, file_id, fields)
        return
    try:
        with fsspec.open(file, "rb") as stream:
            content = stream.read()
        text = _TEXTS[suffix](content)
    except (ValueError, OSError) as error:
        yield Rejected(file_id, f"unreadable {suffix[1:]}: {error}")
        return
    yield Document(file_id, text, file_id) if text.strip() else Rejected(file_id, "no text")


def decode(content: bytes) -> str:
    """Text in UTF-8, in UTF-16 with its mark, or in GB18030 (which holds GBK and GB2312).

    Raises:
        ValueError: it is none of them.
    """
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16")
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise ValueError("the encoding is neither UTF-8, UTF-16 nor GB18030")


def _rows(
    rows: Iterable[dict[str, Any] | str], file: str, file_id: str, fields: Fields
) -> Iterator[Document | Rejected]:
    """Rows come as mappings, or as the reason why one could not be read."""
    seen: set[str] = set()
    for number, row in enumerate(rows, start=1):
        if isinstance(row, str):
            yield Rejected(f"{file_id}#{number}", row)
            continue
        name = row.get(fields.id)
        row_id = str(name) if name not in (None, "") else f"{file_id}#{number}"
        text = row.get(fields.text)
        if number == 1 and fields.text not in row:
            rule = f"its columns are {', '.join(map(str, row)) or 'none'}"
            raise InputError(f"{file} has no column {fields.text!r}", rule=rule, fix="set fields.text=COLUMN")
        if row_id in seen:
            yield Rejected(row_id, "another row of the same file has this id")
        elif not isinstance(text, str) or not text.strip():
            yield Rejected(row_id, "no text")
        else:
            yield Document(row_id, text, str(row.get(fields.title) or row_id))
        seen.add(row_id)


def _json_lines(file: str) -> Iterator[dict[str, Any] | str]:
    with fsspec.open(file, "rb") as stream:
        for line in stream:
            if not line.strip():
                continue
            try:
                row = json.loads(decode(line))
            except ValueError as error:
                yield f"no valid JSON: {error}"
                continue
            yield row if isinstance(row, dict) else f"a JSON {type(row).__name__}, not an object"


def _parquet_rows(file: str) -> Iterator[dict[str, Any] | str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with fsspec.open(file, "rb") as stream:
        try:
            table = pq.ParquetFile(stream)
        except pa.ArrowInvalid as error:
            raise InputError(f"{file} is no Parquet file", rule=str(error)) from None
        for batch in table.iter_batches(batch_size=_BATCH_ROWS):
            yield from batch.to_pylist()


def _html_text(content: bytes) -> str:
    import trafilatura

    text = trafilatura.extract(
        decode(content), output_format="markdown", include_comments=False, include_tables=True, favor_recall=True
    )
    return text or ""


def _pdf_text(content: bytes) -> str:
    import io

    from pypdf import PdfReader
    from pypdf.errors import PyPdfError

    try:
        return "\n\n".join(page.extract_text() for page in PdfReader(io.BytesIO(content)).pages)
    except PyPdfError as error:
        raise ValueError(str(error)) from None


def _docx_text(content: bytes) -> str:
    import io
    from zipfile import BadZipFile

    import docx

    try:
        document = docx.Document(io.BytesIO(content))
    except (BadZipFile, KeyError) as error:
        raise ValueError(f"no Word document ({error})") from None
    return "\n\n".join(_docx_block(block) for block in document.iter_inner_content())


def _docx_block(block: Any) -> str:
    """A paragraph, as a Markdown heading where its style says so, or a table with one line for each row."""
    if hasattr(block, "rows"):
        return "\n".join("| " + " | ".join(cell.text.strip() for cell in row.cells) + " |" for row in block.rows)
    style = block.style.name if block.style is not None else ""
    if style == "Title":
        return f"# {block.text}"
    level = style.removeprefix("Heading ")
    return f"{'#' * int(level)} {block.text}" if style.startswith("Heading ") and level in "123456" else block.text


_TEXTS: dict[str, Callable[[bytes], str]] = {
    ".md": decode,
    ".markdown": decode,
    ".txt": decode,
    ".html": _html_text,
    ".htm": _html_text,
    ".pdf": _pdf_text,
    ".docx": _docx_text,
}
_TABLES: dict[str, Callable[[str], Iterator[dict[str, Any] | str]]] = {
    ".jsonl": _json_lines,
    ".parquet": _parquet_rows,
}

SUFFIXES: tuple[str, ...] = (*_TEXTS, *_TABLES)
