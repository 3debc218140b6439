"""Pages out of WARC archives (ISO 28500): responses to HTTP requests that hold a page. One record is held at a time.

Only responses: requests, metadata, revisits and conversions are no pages. Where the archive itself is damaged, reading
ends, since no record tells where the next one begins.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

import pyarrow as pa

from danlu.errors import DanluError
from pipelines.cleaning.document import RawDocument, row_id
from pipelines.cleaning.pages import NO_MAIN_TEXT, decode_page, main_text
from pipelines.cleaning.streams import MOST_BYTES, READ_ERRORS, NoTextError, open_bytes, read_some

if TYPE_CHECKING:
    from warcio.statusandheaders import StatusAndHeaders

_HTML_TYPES = ("text/html", "application/xhtml+xml")
_PAGE_TYPES = (*_HTML_TYPES, "text/plain")
_CHARSET = re.compile(r"""charset\s*=\s*["']?\s*([-\w]+)""", re.IGNORECASE)
_HTTP_VERSIONS = ("HTTP/1.1", "HTTP/1.0", "HTTP/0.9", "HTTP/2.0", "HTTP/2", "HTTP/3")
_PLAIN = ("", "identity")
# From the end of a record to the beginning of the next one: line ends and headers, or the archive is none.
_HEADER_BYTES = 1 << 20
_BLOCK_BYTES = 1 << 16


class DamagedArchiveError(DanluError):
    """The bytes are no records, or end within one."""


def read_archive(file: str) -> Iterator[RawDocument]:
    """A document for each page, with its address as id; a page that can't be read is one with a failure.

    Raises:
        DamagedArchiveError: there is no record where one should begin, or the last one is cut.
    """
    with open_bytes(file) as stream:
        source = _Source(stream)
        number = -1
        for number, record in enumerate(_records(source)):
            document = _read_response(record, row_id(file, number)) if record.rec_type == "response" else None
            if document is not None:
                yield document
            while record.raw_stream.read(_BLOCK_BYTES):
                pass
            if record.raw_stream.limit:
                raise DamagedArchiveError(f"record {number} lacks its last {record.raw_stream.limit:,} bytes")
        if number < 0 and not source.empty:
            raise DamagedArchiveError("no record in it")


class _Source:
    """The archive's bytes, of which only so many may pass without a record (`left`)."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.left: int | None = None
        self.empty = True

    def read(self, size: int) -> bytes:
        if self.left is not None and self.left <= 0:
            raise DamagedArchiveError(f"no record within {_HEADER_BYTES:,} bytes")
        try:
            part = read_some(self._stream, size)
        except EOFError as error:  # a packed file that is cut; warcio would take it for the end
            raise DamagedArchiveError(str(error)) from None
        self.empty = self.empty and not part
        if self.left is not None:
            self.left -= len(part)
        return part


def _records(source: _Source) -> Iterator[Any]:
    """warcio's records, their HTTP headers not yet parsed."""
    from warcio.archiveiterator import WARCIterator
    from warcio.exceptions import ArchiveLoadFailed

    records = WARCIterator(source, no_record_parse=True)
    records.INC_RECORD = ""  # a warning on stderr; what it warns of is an error here, at the next record
    while True:
        source.left = _HEADER_BYTES
        try:
            record = next(records, None)
        except ArchiveLoadFailed as error:
            raise DamagedArchiveError(str(error)) from None
        if record is None:
            return
        if record.length is None:
            raise DamagedArchiveError("a record does not say how long it is")
        source.left = None
        yield record


def _read_response(record: Any, place: str) -> RawDocument | None:
    """The page that a response holds, or None when it holds something else."""
    if not (record.content_type or "").lower().startswith("application/http"):
        return None  # an answer in another protocol, such as DNS
    identifier = record.rec_headers.get_header("WARC-Target-URI") or place
    http = _http_headers(record.raw_stream)
    if http is None:
        return RawDocument(identifier, None, "the record holds no HTTP response")
    kind = http.get_header("Content-Type", "").partition(";")[0].strip().lower()
    if kind not in _PAGE_TYPES:
        return None
    if not http.get_statuscode().startswith("2"):
        return RawDocument(identifier, None, f"the server answered {http.get_statuscode()}, not with the page")
    try:
        page = decode_page(_body(record, http), _charset(http))
    except NoTextError as error:
        return RawDocument(identifier, None, error.what)
    text = main_text(page) if kind in _HTML_TYPES else page.strip()
    return RawDocument(identifier, text, "") if text else RawDocument(identifier, None, NO_MAIN_TEXT)


def _http_headers(stream: Any) -> StatusAndHeaders | None:
    """The headers, of which there may be 1 MiB; None for what is no HTTP response."""
    from warcio.statusandheaders import StatusAndHeadersParser, StatusAndHeadersParserException

    beyond = max(stream.limit - _HEADER_BYTES, 0)
    stream.limit -= beyond
    try:
        return StatusAndHeadersParser(list(_HTTP_VERSIONS), verify=True).parse(stream)
    except (StatusAndHeadersParserException, EOFError):
        return None
    finally:
        stream.limit += beyond


def _charset(http: StatusAndHeaders) -> str:
    found = _CHARSET.search(http.get_header("Content-Type", ""))
    return found[1] if found else ""


def _body(record: Any, http: StatusAndHeaders) -> bytes:
    """The response's body, out of its chunks and unpacked.

    Raises:
        NoTextError: it has more than MOST_BYTES, or can't be unpacked.
    """
    from warcio.bufferedreaders import ChunkedDataReader

    too_long = NoTextError(f"the page has more than {MOST_BYTES:,} bytes")
    if record.raw_stream.limit > MOST_BYTES:
        raise too_long
    chunked = http.get_header("Transfer-Encoding", "").strip().lower() == "chunked"
    packed = (ChunkedDataReader(record.raw_stream) if chunked else record.raw_stream).read(MOST_BYTES + 1)
    packing = http.get_header("Content-Encoding", "").strip().lower()
    try:
        body = packed if packing in _PLAIN else _unpack(packed, packing)
    except (*READ_ERRORS, ValueError) as error:
        raise NoTextError(f"the page can't be unpacked from {packing}: {error}") from None
    if len(body) > MOST_BYTES:
        raise too_long
    return body


def _unpack(data: bytes, packing: str) -> bytes:
    """What `data` unpacks to, at most a byte more than MOST_BYTES. Many crawlers store it plain and keep the header."""
    if packing in ("gzip", "x-gzip"):
        return _unpack_stream(data, "gzip") if data.startswith(b"\x1f\x8b") else data
    if packing == "deflate":  # with a zlib header, or, from servers that took the name at its word, without
        bits = zlib.MAX_WBITS if data[:1] == b"\x78" else -zlib.MAX_WBITS
        return zlib.decompressobj(bits).decompress(data, MOST_BYTES + 1)
    codec = {"br": "brotli", "zstd": "zstd"}.get(packing)
    if codec is None:
        raise ValueError("an unknown packing")
    return _unpack_stream(data, codec)


def _unpack_stream(data: bytes, codec: str) -> bytes:
    return pa.CompressedInputStream(pa.BufferReader(data), codec).read(MOST_BYTES + 1)
