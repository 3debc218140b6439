"""Documents out of every kind of file, and what happens to rows that can't be read."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from danlu.errors import InputError, NotAvailableError
from pipelines.cleaning.readers import Fields, RawDocument, read_documents

FIELDS = Fields("text", "id")


def _read(path: Path, fields: Fields = FIELDS) -> list[RawDocument]:
    return list(read_documents(str(path), fields))


def _write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_jsonl_takes_the_id_or_makes_one(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.jsonl", '{"id": "x", "text": "甲"}\n{"text": "乙"}\n\n{"id": 7, "text": "丙"}\n')
    assert _read(path) == [RawDocument("x", "甲"), RawDocument("a.jsonl#1", "乙"), RawDocument("7", "丙")]


@pytest.mark.parametrize(
    ("line", "failure"),
    [
        ('{"id": "x", "text": null}', "null"),
        ('{"id": "x", "text": 3}', "a int"),
        ('{"id": "x"}', "no 'text'"),
        ("{broken", "not JSON"),
        ("[1, 2]", "a JSON list"),
        ('{"text": "' + "[" * 3, "not JSON"),
    ],
)
def test_a_bad_json_row_is_a_document_with_its_failure(tmp_path: Path, line: str, failure: str) -> None:
    good, bad = _read(_write(tmp_path / "a.jsonl", '{"id": "ok", "text": "甲"}\n' + line + "\n"))
    assert good == RawDocument("ok", "甲")
    assert bad.text is None
    assert failure in bad.failure


def test_half_a_character_in_json_is_replaced(tmp_path: Path) -> None:
    rows = _read(_write(tmp_path / "a.jsonl", '{"text": "好\\ud83d"}\n{"text": "\\ud83d\\ude00"}\n'))
    assert [row.text for row in rows] == ["好\ufffd", "😀"]


def test_packed_jsonl(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"text": "x"}\n' * 3))
    assert [row.id for row in _read(path)] == ["a.jsonl.gz#0", "a.jsonl.gz#1", "a.jsonl.gz#2"]


def test_a_truncated_file_ends_with_a_document_that_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    rows = "".join(json.dumps({"text": f"文档{number}"}) + "\n" for number in range(20_000))
    packed = gzip.compress(rows.encode())
    path.write_bytes(packed[: len(packed) // 2])
    *good, last = _read(path)
    assert len(good) > 1000
    assert all(row.text == f"文档{number}" for number, row in enumerate(good))
    assert "damaged" in last.failure


def test_csv_with_line_breaks_and_short_rows(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.csv", 'id,text,url\r\n1,"第一行\r\n第二行",u\r\n2\r\n,丁,u\r\n')
    first, second, third = _read(path)
    assert first == RawDocument("1", "第一行\n第二行")
    assert second.id == "2"
    assert second.text is None
    assert third == RawDocument("a.csv#2", "丁")


def test_parquet_takes_ids_of_other_types(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"id": [1, None], "text": ["甲", None], "n": [0, 0]}), path)
    first, second = _read(path)
    assert first == RawDocument("1", "甲")
    assert (second.id, second.text) == ("a.parquet#1", None)


def test_a_txt_file_has_a_document_for_each_line(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("甲乙丙丁\n\n戊己庚辛\n".encode("gb18030"))
    assert _read(path) == [RawDocument("a.txt#0", "甲乙丙丁"), RawDocument("a.txt#2", "戊己庚辛")]


def test_an_html_file_is_one_document(tmp_path: Path) -> None:
    body = "银行卡丢失后，请先在手机上挂失，然后带着身份证到任意网点补办。"
    page = f"<html><body><nav>首页 关于</nav><article><p>{body}</p></article><footer>版权所有</footer></body></html>"
    (only,) = _read(_write(tmp_path / "a.html", page))
    assert only.id == "a.html"
    assert only.text is not None
    assert body in only.text
    assert "版权所有" not in only.text


def test_an_empty_page_is_a_failure(tmp_path: Path) -> None:
    (only,) = _read(_write(tmp_path / "a.html", "<html><body></body></html>"))
    assert only == RawDocument("a.html", None, "no main text found in the page")


@pytest.mark.parametrize("name", ["a.txt", "a.jsonl", "a.html"])
def test_binary_data_is_one_failure(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x01" * 30)
    (only,) = _read(path)
    assert "no" in only.failure
    assert only.text is None


def test_a_broken_parquet_file_is_one_failure(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.parquet", "this is no parquet")
    (only,) = _read(path)
    assert "damaged" in only.failure


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
def test_without_the_text_field_the_fields_there_are_get_named(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "a.csv":
        _write(path, "id,content\n1,甲\n")
    elif name == "a.jsonl":
        _write(path, '{"id": 1, "content": "甲"}\n')
    else:
        pq.write_table(pa.table({"id": [1], "content": ["甲"]}), path)
    with pytest.raises(InputError, match=r"text_field is 'text'.*'content'") as error:
        _read(path)
    assert "text_field=content" in error.value.fix
    assert _read(path, Fields("content", "id")) == [RawDocument("1", "甲")]


def test_an_empty_file_has_no_documents(tmp_path: Path) -> None:
    for name in ("a.txt", "a.jsonl", "a.csv"):
        assert _read(_write(tmp_path / name, "")) == []


@pytest.mark.parametrize(("name", "error"), [("a.warc.gz", NotAvailableError), ("a.docx", InputError)])
def test_other_kinds_of_files_are_refused(tmp_path: Path, name: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        _read(_write(tmp_path / name, "x"))
