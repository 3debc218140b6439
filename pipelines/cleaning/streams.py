"""Bytes and lines of an input file, decompressed and decoded."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast

import fsspec
import pyarrow as pa

from danlu.errors import DanluError
from pipelines.cleaning.encodings import detect_encoding

# What a damaged or vanished file raises while it is read.
READ_ERRORS = (OSError, EOFError, zlib.error, pa.ArrowException)
_HEAD_BYTES = 1 << 18
_WIDE = ("utf-16", "utf-32")


class NoTextError(DanluError):
    """The bytes are no text in any known encoding."""


@contextmanager
def open_bytes(file: str) -> Iterator[BinaryIO]:
    """The bytes of a local file or URI; `.gz` and `.zst` are unpacked."""
    with fsspec.open(file, "rb") as stream:
        if file.endswith(".gz"):
            with gzip.GzipFile(fileobj=stream) as unpacked:
                yield cast(BinaryIO, unpacked)
        elif file.endswith(".zst"):
            with pa.CompressedInputStream(pa.PythonFile(stream, mode="r"), "zstd") as unpacked:
                yield cast(BinaryIO, io.BufferedReader(unpacked))
        else:
            yield cast(BinaryIO, stream)


def read_text(file: str) -> str:
    """A whole file as text.

    Raises:
        NoTextError: it is in no known encoding.
    """
    with open_bytes(file) as stream:
        data = stream.read()
    encoding = detect_encoding(data)
    if encoding is None:
        raise NoTextError("not text in any known encoding")
    return data.decode(encoding)


def read_lines(file: str) -> Iterator[str | None]:
    """The lines of a text file without their ends; None for a line that can't be decoded.

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
        source = _Rest(head, stream)
        if encoding.startswith(_WIDE):  # their line ends are not single bytes
            text = io.TextIOWrapper(cast(BinaryIO, io.BufferedReader(source)), encoding, errors="replace")
            yield from (line.rstrip("\n") for line in text)
            return
        mark = 3 if encoding == "utf-8-sig" else 0
        for number, line in enumerate(io.BufferedReader(source)):
            yield _decode(line[mark:] if number == 0 else line, encoding)


def _decode(line: bytes, encoding: str) -> str | None:
    line = line.rstrip(b"\r\n")
    for codec in (encoding.removesuffix("-sig"), detect_encoding(line)):
        if codec is None:
            continue
        try:
            return line.decode(codec)
        except UnicodeDecodeError:
            continue
    return None


def _read_head(stream: BinaryIO) -> bytes:
    """Up to `_HEAD_BYTES`; damage after the first bytes is left to be met again by whoever reads on."""
    head = bytearray()
    while len(head) < _HEAD_BYTES:
        try:
            part = _read_some(stream, _HEAD_BYTES - len(head))
        except READ_ERRORS:
            if not head:
                raise
            break
        if not part:
            break
        head += part
    return bytes(head)


def _read_some(stream: BinaryIO, size: int) -> bytes:
    """At most one read of the source, so that what precedes damage is delivered before the damage raises."""
    read = getattr(stream, "read1", stream.read)
    return read(size)


class _Rest(io.RawIOBase):
    """`head`, which was read already, and then the rest of `stream`."""

    def __init__(self, head: bytes, stream: BinaryIO) -> None:
        self._head = memoryview(head)
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        part = self._head[: len(buffer)] if len(self._head) else _read_some(self._stream, len(buffer))
        self._head = self._head[len(part) :]
        buffer[: len(part)] = part
        return len(part)
