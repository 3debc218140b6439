"""Lines out of files: encodings, compression, damage."""

from __future__ import annotations

import gzip
import tracemalloc
from pathlib import Path

import pyarrow as pa
import pytest

from pipelines.cleaning.streams import (
    MOST_BYTES,
    READ_ERRORS,
    TOO_LONG,
    UNDECODABLE,
    NoTextError,
    UnreadLine,
    decode,
    read_lines,
    read_whole,
)

LINES = [f"第{number}行，关于手机流量的说明。" for number in range(5000)]


def _read(path: Path) -> list[str | UnreadLine]:
    return list(read_lines(str(path)))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lines_come_out_as_they_went_in(tmp_path: Path, encoding: str, end: str) -> None:
    path = tmp_path / "lines.txt"
    path.write_bytes((end.join(LINES) + end).encode(encoding))
    assert _read(path) == LINES


def _pack(data: bytes, suffix: str) -> bytes:
    return gzip.compress(data) if suffix == ".gz" else pa.compress(data, "zstd", asbytes=True)


@pytest.mark.parametrize("suffix", [".gz", ".zst", ".GZ"])
def test_packed_files_are_unpacked(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"lines.txt{suffix}"
    path.write_bytes(_pack("\n".join(LINES).encode(), suffix.lower()))
    assert _read(path) == LINES


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_a_truncated_file_gives_what_is_there_and_then_raises(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"lines.txt{suffix}"
    packed = _pack("\n".join(f"{line}{number**7}" for number, line in enumerate(LINES * 5)).encode(), suffix)
    path.write_bytes(packed[: len(packed) // 2])
    found: list[str | UnreadLine] = []
    with pytest.raises(READ_ERRORS):
        found.extend(iter(read_lines(str(path))))
    got: list[str | UnreadLine] = []
    iterator = read_lines(str(path))
    try:
        for line in iterator:
            got.append(line)
    except READ_ERRORS:
        pass
    assert len(got) > len(LINES) // 4
    assert got == [f"{line}{number**7}" for number, line in enumerate(LINES * 5)][: len(got)]


def test_a_line_in_another_encoding_is_read_by_itself(tmp_path: Path) -> None:
    path = tmp_path / "mixed.txt"
    path.write_bytes(b"\n".join([LINES[0].encode(), LINES[1].encode("gb18030"), LINES[2].encode()]))
    assert _read(path) == LINES[:3]


def test_a_line_that_cannot_be_decoded_is_said(tmp_path: Path) -> None:
    path = tmp_path / "broken.txt"
    path.write_bytes(b"\n".join([LINES[0].encode(), b"\xff\xfe\x00\x01\x02", LINES[1].encode(), LINES[2].encode()]))
    assert _read(path) == [LINES[0], UNDECODABLE, *LINES[1:3]]


def test_what_is_no_text_is_said(tmp_path: Path) -> None:
    path = tmp_path / "picture.txt"
    path.write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x01" * 30)
    with pytest.raises(NoTextError):
        _read(path)
    with pytest.raises(NoTextError):
        decode(read_whole(str(path)))


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_line_of_200_mb_goes_by_without_being_held(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"long.txt{suffix}"
    with gzip.open(path, "wb", 1) if suffix else path.open("wb") as stream:
        stream.write(b"before\n")
        for _ in range(200):
            stream.write(b"x" * 1_000_000)
        stream.write(b"\nafter\n")
    tracemalloc.start()
    try:
        assert _read(path) == ["before", TOO_LONG, "after"]
        assert tracemalloc.get_traced_memory()[1] < 4 * MOST_BYTES
    finally:
        tracemalloc.stop()


def test_a_wide_line_can_be_too_long_as_well(tmp_path: Path) -> None:
    path = tmp_path / "wide.txt"
    path.write_bytes(f"前\n{'长' * (MOST_BYTES // 2 + 1)}\n后\n".encode("utf-16"))
    assert _read(path) == ["前", TOO_LONG, "后"]


@pytest.mark.parametrize("end", [b"\n", b""])
def test_the_longest_line_is_still_read(tmp_path: Path, end: bytes) -> None:
    path = tmp_path / "long.txt"
    path.write_bytes(b"x" * MOST_BYTES + end)
    assert _read(path) == ["x" * MOST_BYTES]
    path.write_bytes(b"x" * (MOST_BYTES + 1) + end)
    assert _read(path) == [TOO_LONG]


def test_a_whole_file_that_is_too_long_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.txt.gz"
    path.write_bytes(gzip.compress(bytes(MOST_BYTES * 4)))
    with pytest.raises(NoTextError, match="more than 16,777,216 bytes"):
        read_whole(str(path))


def test_a_few_bad_bytes_in_a_whole_text_are_replaced() -> None:
    text = "\n".join(LINES[:50])
    assert decode(text.encode() + b"\n\xff\xfe\xff") == f"{text}\n\ufffd\ufffd\ufffd"
