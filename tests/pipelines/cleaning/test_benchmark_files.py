"""Passages out of benchmark files of every kind."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from danlu.errors import InputError
from pipelines.cleaning.benchmark_files import Passage, benchmark_files, read_passages

FIELDS = ("question", "choices")


def _jsonl(file: Path, *rows: object) -> str:
    file.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    return str(file)


def test_texts_and_lists_of_texts_are_passages_and_nothing_else_is(tmp_path: Path) -> None:
    rows = [{"question": "甲", "choices": ["乙", "丙"], "id": "x"}, {"question": None, "choices": 3}, {"question": " "}]
    assert list(read_passages(_jsonl(tmp_path / "a.jsonl", *rows), FIELDS)) == [
        Passage("a.jsonl", 0, "question", "甲"),
        Passage("a.jsonl", 0, "choices", "乙"),
        Passage("a.jsonl", 0, "choices", "丙"),
    ]


def test_other_kinds_hold_the_same(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes('id,question\n1,甲\n2,"乙\n丙"\n'.encode("gb18030"))
    pq.write_table(pa.table({"question": ["甲", "乙\n丙"]}), tmp_path / "a.parquet")
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress('{"question": "甲"}\n\n{"question": "乙\\n丙"}\n'.encode()))
    for name in ("a.csv", "a.parquet", "a.jsonl.gz"):
        passages = read_passages(str(tmp_path / name), FIELDS)
        assert [(p.file, p.row, p.text) for p in passages] == [(name, 0, "甲"), (name, 1, "乙\n丙")]


def test_each_line_of_a_text_file_is_a_passage(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("甲\n\n乙\n", encoding="utf-8")
    passages = list(read_passages(str(tmp_path / "a.txt"), FIELDS))
    assert [(p.row, p.field, p.text) for p in passages] == [(0, "line", "甲"), (2, "line", "乙")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"q": "a"}', "no text in question, choices; its fields are 'q'"),
        (b'{"question": "a"}\n{broken', "line 2: not JSON"),
        (b'["question"]', "line 1: a list, not an object"),
        (b"", "its fields are none"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x01" * 30, "encoding"),
    ],
)
def test_what_is_no_benchmark_is_refused(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(content)
    with pytest.raises(InputError, match=message):
        list(read_passages(str(tmp_path / "a.jsonl"), FIELDS))


def test_a_cut_file_is_refused(tmp_path: Path) -> None:
    rows = "".join(f'{{"question": "{number}"}}\n' for number in range(1000))
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(rows.encode())[:-20])
    with pytest.raises(InputError, match=r"a\.jsonl\.gz"):
        list(read_passages(str(tmp_path / "a.jsonl.gz"), FIELDS))


def test_files_are_found_and_other_kinds_refused(tmp_path: Path) -> None:
    _jsonl(tmp_path / "b.jsonl", {}), _jsonl(tmp_path / "a.jsonl", {})
    (tmp_path / "notes.html").write_text("x")
    assert benchmark_files(str(tmp_path)) == [str(tmp_path / "a.jsonl"), str(tmp_path / "b.jsonl")]
    with pytest.raises(InputError, match=r"decontaminate\.against"):
        benchmark_files(str(tmp_path / "missing.jsonl"))
    with pytest.raises(InputError, match=r"notes\.html"):
        benchmark_files([str(tmp_path / "notes.html"), str(tmp_path / "a.jsonl")])
