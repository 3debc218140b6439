"""Documents out of every kind of file, and what happens to rows that can't be read."""

from __future__ import annotations

import gzip
import json
import os
import re
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from danlu.errors import DanluError, InputError
from pipelines.cleaning.document import RawDocument
from pipelines.cleaning.readers import Fields, read_documents
from pipelines.cleaning.streams import MOST_BYTES

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


def test_other_kinds_of_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.docx: its name ends with none of \.jsonl, .*\.warc\.gz"):
        _read(_write(tmp_path / "a.docx", "x"))


WHOLE = Fields("text", "id", "whole")


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz"])
def test_a_txt_file_can_be_one_document(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    data = "第一章\n\n从前有座山。\n".encode("gb18030")
    path.write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    assert _read(path, WHOLE) == [RawDocument(name, "第一章\n\n从前有座山。\n")]
    (named,) = read_documents(str(path), WHOLE, source="书/a.txt")
    assert named.id == "书/a.txt"


@pytest.mark.parametrize(
    ("data", "documents"),
    [
        (b"", []),
        (b" \n\n", []),
        ("\ufeff甲\n".encode(), [RawDocument("a.txt", "甲\n")]),
        ("甲\n".encode("utf-16"), [RawDocument("a.txt", "甲\n")]),
        (bytes(range(256)), [RawDocument("a.txt#0", None, "not text in any known encoding")]),
        (b"x" * (MOST_BYTES + 1), [RawDocument("a.txt#0", None, "the file has more than 16,777,216 bytes")]),
    ],
)
def test_whole_files_of_every_sort(tmp_path: Path, data: bytes, documents: list[RawDocument]) -> None:
    (tmp_path / "a.txt").write_bytes(data)
    assert _read(tmp_path / "a.txt", WHOLE) == documents


@pytest.mark.parametrize("suffix", [".html.gz", ".htm.zst"])
def test_a_page_may_be_packed_and_in_the_charset_that_it_names(tmp_path: Path, suffix: str) -> None:
    body = "银行卡丢失后，请先在手机上挂失，然后带着身份证到任意网点补办。"
    page = f"<html><head><meta charset=gb2312></head><body><p>{body}</p></body></html>".encode("gb18030")
    path = tmp_path / f"a{suffix}"
    path.write_bytes(gzip.compress(page) if suffix.endswith("gz") else pa.compress(page, "zstd", asbytes=True))
    (only,) = _read(path)
    assert only.text is not None and body in only.text
    path.write_bytes(path.read_bytes()[:-12])
    (cut,) = _read(path)
    assert "damaged" in cut.failure


@pytest.mark.parametrize("name", ["a.txt", "a.jsonl", "a.csv"])
def test_a_line_that_is_too_long_is_a_failure_and_the_rest_is_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    rows = {
        "a.txt": ["甲", "%s", "乙"],
        "a.jsonl": ['{"text": "甲"}', '{"text": "%s"}', '{"text": "乙"}'],
        "a.csv": ["text", "甲", '"%s"', "乙"],
    }[name]
    path.write_text("\n".join(rows) % ("长" * (MOST_BYTES // 3 + 1)), encoding="utf-8")
    first, long, last = _read(path)
    assert (first.text, last.text) == ("甲", "乙")
    assert long == RawDocument(f"{name}#1", None, "the line has more than 16,777,216 bytes")


@pytest.mark.parametrize(
    ("given", "identifier"),
    [("7", "7"), ("1.5", "1.5"), ("null", "a.jsonl#0"), ("true", "true"), ("[1, \"甲\"]", '[1, "甲"]'),
     ('""', "a.jsonl#0"), ("0", "0"), ("NaN", "nan"), ('{"a": null}', '{"a": null}'), ('"\\ud83d"', "\ufffd")],
)  # fmt: skip
def test_ids_of_any_type_become_text(tmp_path: Path, given: str, identifier: str) -> None:
    assert _read(_write(tmp_path / "a.jsonl", f'{{"id": {given}, "text": "甲"}}\n')) == [RawDocument(identifier, "甲")]


def test_json_that_is_odd_but_valid_is_read(tmp_path: Path) -> None:
    lines = [
        '\ufeff{"text": "甲", "score": NaN}',
        '\ufeff{"text": "x", "text": "乙"}',
        '{"text": "丙\\u0000", "nested": [[[{}]]], "id": "c"}',
        '{"text": "丁"}',
    ]
    assert [row.text for row in _read(_write(tmp_path / "a.jsonl", "\n".join(lines)))] == ["甲", "乙", "丙\0", "丁"]


@pytest.mark.parametrize(
    "line", ["[" * 100_000, '{"text": ' + "9" * 5000 + "}", "{'text': 'x'}", '{"text": NaN}', "\0"]
)
def test_json_that_breaks_parsers_is_a_failure(tmp_path: Path, line: str) -> None:
    good, bad = _read(_write(tmp_path / "a.jsonl", '{"text": "甲"}' + " " * 1000 + f"\n{line}\n"))
    assert good.text == "甲"
    assert bad.text is None and bad.failure


def test_csv_rows_that_do_not_fit_the_header(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.csv", 'id,text\n1,你好,世界\n2,甲,\n3\n4,乙,,\n5,"丙\n6,丁\n')
    assert _read(path) == [
        RawDocument("a.csv#0", None, "the row has 3 values, the header 2 columns"),
        RawDocument("2", "甲"),
        RawDocument("3", None, "the row has no 'text'"),
        RawDocument("4", "乙"),
        RawDocument("a.csv#4", None, "not CSV: a quote is opened here and not closed"),
        RawDocument("6", "丁"),
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "big5", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("name", ["a.txt", "a.jsonl", "a.csv"])
def test_tables_in_every_encoding(tmp_path: Path, name: str, encoding: str) -> None:
    texts = [f"第{number}條，關於手機流量的說明，請詳細閱讀。" for number in range(30)]
    lines = {
        "a.txt": texts,
        "a.jsonl": [json.dumps({"text": text}, ensure_ascii=False) for text in texts],
        "a.csv": ["text", *texts],
    }[name]
    (tmp_path / name).write_bytes("\r\n".join(lines).encode(encoding))
    assert [row.text for row in _read(tmp_path / name)] == texts


def test_one_character_is_a_document_and_so_are_many_that_are_equal(tmp_path: Path) -> None:
    rows = _read(_write(tmp_path / "a.txt", "好\n" * 100_000))
    assert len({row.id for row in rows}) == len(rows) == 100_000
    assert {row.text for row in rows} == {"好"}


@pytest.mark.parametrize("column", [pa.array([1]), pa.array([b"x"]), pa.array([["x"]])])
def test_a_parquet_column_of_another_type_is_named(tmp_path: Path, column: pa.Array) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": column}), path)
    with pytest.raises(
        InputError, match=r"text_field is 'text': in .*a\.parquet that column holds (int64|binary|list<)"
    ):
        _read(path)


@pytest.mark.parametrize("kind", [pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())])
def test_parquet_strings_of_every_type(tmp_path: Path, kind: pa.DataType) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": pa.array(["甲", None]).cast(kind)}), path)
    assert [row.text for row in _read(path)] == ["甲", None]


def test_parquet_strings_that_are_no_text_are_failures(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    offsets, data = pa.array([0, 1, 3, 6], pa.int32()).buffers()[1], pa.py_buffer(b"x\xff\xfe" + "甲".encode())
    pq.write_table(pa.table({"text": pa.StringArray.from_buffers(3, offsets, data), "id": ["a", "b", "c"]}), path)
    first, second, third = _read(path)
    assert (first, third) == (RawDocument("a", "x"), RawDocument("c", "甲"))
    assert second == RawDocument("b", None, "'text' is a bytes, not text")


def test_a_file_that_is_gone_is_one_failure(tmp_path: Path) -> None:
    for name in ("a.txt", "a.parquet", "a.html", "a.warc.gz", "a.jsonl.zst"):
        assert _read(tmp_path / name) == [
            RawDocument(f"{name}#0", None, "the file can't be read: No such file or directory")
        ]


def test_a_file_that_may_not_be_read_is_one_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _write(tmp_path / "a.txt", "甲\n")

    def refuse(*_: object, **__: object) -> None:  # root, who runs the tests in containers, may read everything
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pipelines.cleaning.streams.fsspec.open", refuse)
    assert _read(path) == [RawDocument("a.txt#0", None, "the file can't be read: Permission denied")]


def test_files_in_an_object_store(tmp_path: Path) -> None:
    fsspec.filesystem("memory").pipe_file("/store/a.jsonl.gz", gzip.compress('{"text": "甲"}\n'.encode()))
    assert list(read_documents("memory://store/a.jsonl.gz", FIELDS)) == [RawDocument("a.jsonl.gz#0", "甲")]
    _write(tmp_path / "b.csv", "text\n乙\n")
    assert list(read_documents(f"file://{tmp_path}/b.csv", FIELDS)) == [RawDocument("b.csv#0", "乙")]


def test_a_name_that_no_encoding_can_write_is_mended(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + "/文.txt".encode("gb18030")
    Path(os.fsdecode(path)).write_text("甲\n", encoding="utf-8")
    (only,) = read_documents(os.fsdecode(path), FIELDS)
    assert only.text == "甲"
    assert only.id.encode()


PIECES = [
    *(bytes([byte]) for byte in b'",\n\r\xff\0a{}:[ '),
    b"text",
    "文".encode(),
    "文".encode("gb18030"),
    b"\xef\xbb\xbf",
]
BYTES = st.one_of(st.binary(max_size=300), st.lists(st.sampled_from(PIECES), max_size=80).map(b"".join))


@pytest.mark.parametrize("name", ["a.txt", "a.jsonl", "a.csv", "b.txt", "a.html", "a.warc", "a.txt.gz", "a.parquet"])
@given(data=BYTES)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_random_bytes_raise_nothing_but_errors_of_ours_and_lose_no_line(tmp_path: Path, name: str, data: bytes) -> None:
    path = tmp_path / name
    header = b"text\n" if name == "a.csv" else b""
    path.write_bytes(header + data)
    try:
        found = list(read_documents(str(path), WHOLE if name == "b.txt" else FIELDS))
    except DanluError as error:
        assert "text_field" in str(error)
        return
    assert all((row.text is None) == bool(row.failure) and row.id.encode() for row in found)
    assert all(row.text is None or isinstance(row.text.encode(), bytes) for row in found)
    if len(found) == 1 and found[0].failure == "not text in any known encoding":
        return
    lines = [line for line in data.split(b"\n") if re.search(rb"[a-z]", line)]  # these are blank in no encoding
    if name in ("a.txt", "a.jsonl") and not data.count(0):  # with NUL it may be UTF-16, whose lines are others
        assert len(found) >= len(lines)
    elif lines and name == "a.csv":
        assert found
