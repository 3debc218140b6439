"""Bytes and lines of an input file, decompressed and decoded, of which no more than a bounded part is ever held."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import AnyStr, BinaryIO, cast

import fsspec
import pyarrow as pa

from danlu.errors import DanluError
from pipelines.cleaning.encodings import detect_encoding
from pipelines.cleaning.formats import packing_of

# What a damaged or vanished file raises while it is read.
READ_ERRORS = (OSError, EOFError, zlib.error, pa.ArrowException, UnicodeDecodeError)
# A longer line, page or whole text file is no document: it is passed over without being held.
MOST_BYTES = 16 << 20
_HEAD_BYTES = 1 << 18
_WIDE = ("utf-16", "utf-32")


class NoTextError(DanluError):
    """The bytes are no text that can be read: in no known encoding, or too many."""


@dataclass(frozen=True)
class UnreadLine:
    """A line that is no text, and why."""

    failure: str


UNDECODABLE = UnreadLine("the line can't be decoded")
TOO_LONG = UnreadLine(f"the line has more than {MOST_BYTES:,} bytes")


@contextmanager
def open_bytes(file: str) -> Iterator[BinaryIO]:
    """The bytes of a local file or URI; `.gz` and `.zst` are unpacked."""
    packing = packing_of(file)
    with fsspec.open(file, "rb") as stream:
        if packing == ".gz":
            with gzip.GzipFile(fileobj=stream) as unpacked:
                yield cast(BinaryIO, unpacked)
        elif packing == ".zst":
            with pa.CompressedInputStream(pa.PythonFile(stream, mode="r"), "zstd") as unpacked:
                yield cast(BinaryIO, io.BufferedReader(unpacked))
        else:
            yield cast(BinaryIO, stream)


def read_whole(file: str) -> bytes:
    """The bytes of a file that is one document.

    Raises:
        NoTextError: it has more than MOST_BYTES.
    """
    with open_bytes(file) as stream:
        data = stream.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise NoTextError(f"the file has more than {MOST_BYTES:,} bytes")
    return data


def decode(data: bytes) -> str:
    """Bytes in an encoding that is found from the first 256 KiB; what it does not hold is replaced.

    Raises:
        NoTextError: they are in no known encoding.
    """
    encoding = _detect(data)
    if encoding is None:
        raise NoTextError("not text in any known encoding")
    return data.decode(encoding, "replace")


def read_lines(file: str) -> Iterator[str | UnreadLine]:
    """The lines of a text file without their ends; an UnreadLine in the place of one that is no text, or too long.

    The encoding is found from the first 256 KiB. A line in another one (files that were put together have such lines)
    is tried by itself.

    Raises:
        NoTextError: the file is in no known encoding.
    """
    with open_bytes(file) as stream:
        head = _read_head(stream)
        encoding = detect_encoding(head, whole=len(head) < _HEAD_BYTES) if head else "utf-8"
        if encoding is None:
            raise NoTextError("not text in any known encoding")
        source = io.BufferedReader(_Rest(stream, head))
        if encoding.startswith(_WIDE):  # their line ends are not single bytes
            text = io.TextIOWrapper(cast(BinaryIO, source), encoding, errors="replace")
            wide = _bounded_lines(text.readline, MOST_BYTES // 2, "\n")
            yield from (line if isinstance(line, UnreadLine) else line.rstrip("\n") for line in wide)
            return
        mark = 3 if encoding == "utf-8-sig" else 0
        for number, line in enumerate(_bounded_lines(source.readline, MOST_BYTES, b"\n")):
            yield line if isinstance(line, UnreadLine) else _decode_line(line[0 if number else mark :], encoding)


def _bounded_lines(readline: Callable[[int], AnyStr], most: int, end: AnyStr) -> Iterator[AnyStr | UnreadLine]:
    """Lines of at most `most` bytes or characters; a longer one goes by in parts."""
    while line := readline(most + 1):
        if len(line) <= most or line.endswith(end):
            yield line
            continue
        while line and not line.endswith(end):
            line = readline(most)
        yield TOO_LONG


def _decode_line(line: bytes, encoding: str) -> str | UnreadLine:
    line = line.rstrip(b"\r\n")
    try:
        return line.decode(encoding.removesuffix("-sig"))
    except UnicodeDecodeError:
        pass
    other = _detect(line)
    try:
        return line.decode(other) if other else UNDECODABLE
    except UnicodeDecodeError:
        return UNDECODABLE


def _detect(data: bytes) -> str | None:
    return detect_encoding(data[:_HEAD_BYTES], whole=len(data) <= _HEAD_BYTES)


def _read_head(stream: BinaryIO) -> bytes:
    """Up to `_HEAD_BYTES`; damage after the first bytes is left to be met again by whoever reads on."""
    head = bytearray()
    while len(head) < _HEAD_BYTES:
        try:
            part = read_some(stream, _HEAD_BYTES - len(head))
        except READ_ERRORS:
            if not head:
                raise
            break
        if not part:
            break
        head += part
    return bytes(head)


def read_some(stream: BinaryIO, size: int) -> bytes:
    """At most one read of the source, so that what precedes damage is delivered before the damage raises."""
    read = getattr(stream, "read1", stream.read)
    return read(size)


class _Rest(io.RawIOBase):
    """`head`, which was read already, and then the rest of `stream`."""

    def __init__(self, stream: BinaryIO, head: bytes) -> None:
        self._head = memoryview(head)
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        part = self._head[: len(buffer)] if len(self._head) else read_some(self._stream, len(buffer))
        self._head = self._head[len(part) :]
        buffer[: len(part)] = part
        return len(part)
