"""Pages out of WARC archives."""

from __future__ import annotations

import gzip
import io
import zlib
from pathlib import Path

import pyarrow as pa
import pytest
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from pipelines.cleaning.document import RawDocument
from pipelines.cleaning.readers import Fields, read_documents
from pipelines.cleaning.streams import MOST_BYTES

TEXT = "银行卡丢失后，请先在手机上挂失，然后带着身份证到任意网点补办，新卡三个工作日寄到。"
PAGE = f"<html><body><nav>首页 关于</nav><article><p>{TEXT}</p></article><footer>版权所有</footer></body></html>"
HTML = {"Content-Type": "text/html; charset=utf-8"}


class Archive:
    """A WARC file in the making."""

    def __init__(self, packed: bool = False) -> None:
        self.buffer = io.BytesIO()
        self._writer = WARCWriter(self.buffer, gzip=packed)

    def add(
        self,
        uri: str,
        body: bytes = PAGE.encode(),
        headers: dict[str, str] = HTML,
        status: str = "200 OK",
        kind: str = "response",
    ) -> None:
        http = StatusAndHeaders(status, list(headers.items()), protocol="HTTP/1.1")
        self._writer.write_record(self._writer.create_warc_record(uri, kind, io.BytesIO(body), http_headers=http))

    def read(self, folder: Path, name: str = "crawl.warc") -> list[RawDocument]:
        (folder / name).write_bytes(self.buffer.getvalue())
        return list(read_documents(str(folder / name), Fields("text", "id")))


def texts(documents: list[RawDocument]) -> dict[str, str | None]:
    return {document.id: document.text and document.text.strip() for document in documents}


@pytest.mark.parametrize("packed", [True, False])
def test_each_page_is_a_document_and_nothing_else_is(tmp_path: Path, packed: bool) -> None:
    archive = Archive(packed)
    archive.add("http://a.cn/1")
    archive.add("http://a.cn/request", b"", {}, "GET / HTTP/1.1", "request")
    archive.add("http://a.cn/picture.png", b"\x89PNG" * 100, {"Content-Type": "image/png"})
    archive.add("http://a.cn/2", headers={"Content-Type": "application/xhtml+xml"})
    archive.add("http://a.cn/note.txt", f" {TEXT}\n".encode(), {"Content-Type": "text/plain"})
    archive.add("http://a.cn/again", kind="revisit")
    found = archive.read(tmp_path, "crawl.warc.gz" if packed else "crawl.warc")
    assert texts(found) == {"http://a.cn/1": TEXT, "http://a.cn/2": TEXT, "http://a.cn/note.txt": TEXT}


@pytest.mark.parametrize("name", ["crawl.warc.gz", "crawl.warc.zst", "CRAWL.WARC.GZ"])
def test_an_archive_may_be_packed_as_one_piece(tmp_path: Path, name: str) -> None:
    archive = Archive()
    archive.add("http://a.cn/1")
    archive.add("http://a.cn/2")
    data = archive.buffer.getvalue()
    packed = gzip.compress(data) if name.lower().endswith("gz") else pa.compress(data, "zstd", asbytes=True)
    archive.buffer = io.BytesIO(packed)
    assert texts(archive.read(tmp_path, name)) == {"http://a.cn/1": TEXT, "http://a.cn/2": TEXT}


@pytest.mark.parametrize(
    ("codec", "content_type", "head"),
    [
        ("gb18030", "text/html; charset=GBK", ""),
        ("gb18030", "text/html", '<head><meta charset="gb2312"></head>'),
        ("gb18030", "text/html; charset=ISO-8859-1", ""),
        ("utf-8", "text/html; charset=gbk", ""),
    ],
)
def test_the_charset_of_a_page_is_found(tmp_path: Path, codec: str, content_type: str, head: str) -> None:
    archive = Archive()
    archive.add("http://a.cn/1", PAGE.replace("<body>", f"{head}<body>").encode(codec), {"Content-Type": content_type})
    assert texts(archive.read(tmp_path)) == {"http://a.cn/1": TEXT}


@pytest.mark.parametrize(
    ("packing", "body"),
    [
        ("gzip", gzip.compress(PAGE.encode())),
        ("x-gzip", gzip.compress(PAGE.encode())),
        ("deflate", zlib.compress(PAGE.encode())),
        ("deflate", zlib.compress(PAGE.encode(), wbits=-15)),
        ("br", pa.compress(PAGE.encode(), "brotli", asbytes=True)),
        ("zstd", pa.compress(PAGE.encode(), "zstd", asbytes=True)),
        ("gzip", PAGE.encode()),
        ("identity", PAGE.encode()),
    ],
)
@pytest.mark.parametrize("chunked", [True, False])
def test_a_page_is_unpacked(tmp_path: Path, packing: str, body: bytes, chunked: bool) -> None:
    headers = {**HTML, "Content-Encoding": packing}
    if chunked:
        headers["Transfer-Encoding"] = "chunked"
        body = b"5\r\n" + body[:5] + b"\r\n" + f"{len(body) - 5:x}\r\n".encode() + body[5:] + b"\r\n0\r\n\r\n"
    archive = Archive()
    archive.add("http://a.cn/1", body, headers)
    assert texts(archive.read(tmp_path)) == {"http://a.cn/1": TEXT}


@pytest.mark.parametrize(
    ("body", "headers", "status", "failure"),
    [
        (b"", HTML, "200 OK", "no main text"),
        (b"\x89PNG\r\n\x00\x00\x00\rIHDR\x00\x01" * 30, HTML, "200 OK", "no.*encoding"),
        (b"\x1f\x8bbroken", {**HTML, "Content-Encoding": "gzip"}, "200 OK", "can't be unpacked from gzip"),
        (PAGE.encode(), {**HTML, "Content-Encoding": "rar"}, "200 OK", "can't be unpacked from rar"),
        (gzip.compress(bytes(MOST_BYTES * 8)), {**HTML, "Content-Encoding": "gzip"}, "200 OK", "more than 16,777,216"),
        (b"x" * (MOST_BYTES + 1), HTML, "200 OK", "more than 16,777,216"),
        (PAGE.encode(), HTML, "404 Not Found", "answered 404"),
    ],
)
def test_a_page_that_cannot_be_read_is_a_failure_and_the_next_one_is_read(
    tmp_path: Path, body: bytes, headers: dict[str, str], status: str, failure: str
) -> None:
    archive = Archive()
    archive.add("http://a.cn/bad", body, headers, status)
    archive.add("http://a.cn/good")
    bad, good = archive.read(tmp_path)
    assert (bad.id, bad.text) == ("http://a.cn/bad", None)
    assert any(part in bad.failure for part in failure.split(".*"))
    assert texts([good]) == {"http://a.cn/good": TEXT}


def test_a_response_that_is_none_is_a_failure(tmp_path: Path) -> None:
    archive = Archive()
    archive.buffer.write(
        b"WARC/1.0\r\nWARC-Type: response\r\nContent-Type: application/http\r\nContent-Length: 7\r\n\r\nnothing\r\n\r\n"
    )
    archive.add("http://a.cn/good")
    bad, good = archive.read(tmp_path)
    assert bad == RawDocument("crawl.warc#0", None, "the record holds no HTTP response")
    assert good.id == "http://a.cn/good"


@pytest.mark.parametrize("packed", [True, False])
def test_what_precedes_a_cut_is_kept_and_the_cut_is_said(tmp_path: Path, packed: bool) -> None:
    archive = Archive(packed)
    for number in range(4):
        archive.add(f"http://a.cn/{number}", PAGE.replace("三个", f"{number}个").encode())
    whole = archive.buffer.getvalue()
    last = archive.read(tmp_path)[-1]
    for cut in (10, 200, len(whole) // 8, len(whole) // 5):
        archive.buffer = io.BytesIO(whole[:-cut])
        *good, bad = archive.read(tmp_path, "crawl.warc.gz" if packed else "crawl.warc")
        assert [document.id for document in good] == [f"http://a.cn/{number}" for number in range(len(good))]
        assert 3 <= len(good) <= 4 and last.id not in [document.id for document in good[:3]]
        assert "damaged" in bad.failure


@pytest.mark.parametrize(
    "data",
    [
        b"x",
        b"this is no archive at all\n" * 100,
        b"x" * 5_000_000,
        b"WARC/1.0\r\n" * 500_000,
        b"WARC/1.0\r\nWARC-Type: response\r\n\r\n",
        b"WARC/1.0\r\nWARC-Type: response\r\nContent-Length: many\r\n\r\nabc\r\n\r\nabc\r\n",
        b"WARC/1.0\r\nWARC-Type: response\r\nContent-Length: -5\r\n\r\nabc\r\n\r\nabc\r\n",
        b"WARC/1.0\r\nWARC-Type: response\r\nContent-Length: 1\r\n\r\nabcdef\r\n\r\nabc\r\n",
    ],
)
def test_what_is_no_archive_is_one_failure(tmp_path: Path, data: bytes) -> None:
    archive = Archive()
    archive.buffer = io.BytesIO(data)
    (only,) = archive.read(tmp_path)
    assert only.text is None and "damaged" in only.failure


def test_an_empty_archive_has_no_documents(tmp_path: Path) -> None:
    assert Archive().read(tmp_path) == []


def test_a_huge_record_that_is_no_page_goes_by(tmp_path: Path) -> None:
    archive = Archive()
    archive.add("http://a.cn/film", b"\x00" * (2 * MOST_BYTES), {"Content-Type": "video/mp4"})
    archive.add("http://a.cn/good")
    assert texts(archive.read(tmp_path)) == {"http://a.cn/good": TEXT}
