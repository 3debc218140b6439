"""Lines out of files: encodings, compression, damage."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pytest

from pipelines.cleaning.streams import READ_ERRORS, NoTextError, read_lines, read_text

LINES = [f"第{number}行，关于手机流量的说明。" for number in range(5000)]


def _read(path: Path) -> list[str | None]:
    return list(read_lines(str(path)))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lines_come_out_as_they_went_in(tmp_path: Path, encoding: str, end: str) -> None:
    path = tmp_path / "lines.txt"
    path.write_bytes((end.join(LINES) + end).encode(encoding))
    assert _read(path) == LINES


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_packed_files_are_unpacked(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"lines.txt{suffix}"
    data = "\n".join(LINES).encode()
    path.write_bytes(gzip.compress(data) if suffix == ".gz" else pa.compress(data, "zstd", asbytes=True))
    assert _read(path) == LINES


def test_a_truncated_file_gives_what_is_there_and_then_raises(tmp_path: Path) -> None:
    path = tmp_path / "lines.txt.gz"
    packed = gzip.compress("\n".join(LINES).encode())
    path.write_bytes(packed[: len(packed) // 2])
    found: list[str | None] = []
    with pytest.raises(READ_ERRORS):
        found.extend(iter(read_lines(str(path))))
    got: list[str | None] = []
    iterator = read_lines(str(path))
    try:
        for line in iterator:
            got.append(line)
    except READ_ERRORS:
        pass
    assert len(got) > len(LINES) // 4
    assert got == LINES[: len(got)]


def test_a_line_in_another_encoding_is_read_by_itself(tmp_path: Path) -> None:
    path = tmp_path / "mixed.txt"
    path.write_bytes(b"\n".join([LINES[0].encode(), LINES[1].encode("gb18030"), LINES[2].encode()]))
    assert _read(path) == LINES[:3]


def test_a_line_that_cannot_be_decoded_is_none(tmp_path: Path) -> None:
    path = tmp_path / "broken.txt"
    path.write_bytes(b"\n".join([LINES[0].encode(), b"\xff\xfe\x00\x01\x02", LINES[1].encode(), LINES[2].encode()]))
    assert _read(path) == [LINES[0], None, *LINES[1:3]]


def test_what_is_no_text_is_said(tmp_path: Path) -> None:
    path = tmp_path / "picture.txt"
    path.write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x01" * 30)
    with pytest.raises(NoTextError):
        _read(path)
    with pytest.raises(NoTextError):
        read_text(str(path))
