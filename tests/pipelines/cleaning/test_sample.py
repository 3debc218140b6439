"""Samples of the input, and what they say of the whole."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from danlu.config import load_config
from danlu.errors import InputError
from pipelines.cleaning.config import CleanConfig
from pipelines.cleaning.sample import Kind, spread_evenly, take_sample
from pipelines.cleaning.stages.read import file_size

TEXT = "银行卡丢失后，请先在手机上挂失，然后带着身份证到任意网点补办，新卡大约三个工作日寄到。"


def _sample(*files: Path, settings: tuple[str, ...] = ()) -> list[Kind]:
    config = load_config(CleanConfig, None, ["input=raw", "output=run", *settings])
    names = [str(file) for file in files]
    return take_sample(names, [file_size(name) for name in names], config)


def _rows(count: int) -> str:
    numbers = random.Random(0).choices(range(10**12, 10**13), k=count)
    return "".join(json.dumps({"text": f"{TEXT}编号{number}"}, ensure_ascii=False) + "\n" for number in numbers)


def test_a_small_file_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(f"{TEXT}\n\n短\n{TEXT}乙\n", encoding="utf-8")
    (only,) = _sample(tmp_path / "a.txt")
    assert (only.documents, only.sampled, only.kept) == (3, 3, 2)
    assert only.characters == 2 * len(TEXT) + 1
    assert only.text_bytes == len(f"{TEXT}短{TEXT}乙".encode())
    assert only.cpu_s > 0
    assert only.disk_bytes > only.raw_bytes > 0


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.jsonl.zst"])
def test_the_documents_of_a_large_file_are_extrapolated(tmp_path: Path, name: str) -> None:
    rows = 60_000
    data = _rows(rows).encode()
    packed = {".gz": gzip.compress, "zst": lambda d: pa.compress(d, "zstd", asbytes=True)}.get(name[-3:], bytes)
    (tmp_path / name).write_bytes(packed(data))
    (only,) = _sample(tmp_path / name)
    assert only.documents == pytest.approx(rows, rel=0.2)
    assert 0 < only.sampled < 8_000


def test_parquet_says_how_many_rows_it_has(tmp_path: Path) -> None:
    for name in ("a.parquet", "b.parquet"):
        pq.write_table(pa.table({"text": [TEXT] * 700}), tmp_path / name)
    (only,) = _sample(tmp_path / "a.parquet", tmp_path / "b.parquet")
    assert (only.documents, only.sampled) == (1400, 100)


@pytest.mark.parametrize(("name", "settings"), [("html", ()), ("txt", ("text_files=whole",))])
def test_files_that_are_one_document_are_counted(tmp_path: Path, name: str, settings: tuple[str, ...]) -> None:
    files = [tmp_path / f"{number:03d}.{name}" for number in range(100)]
    for file in files:
        file.write_text(f"<p>{TEXT}</p>", encoding="utf-8")
    (only,) = _sample(*files, settings=settings)
    assert (only.documents, only.sampled) == (100, 24)


def test_each_kind_of_file_is_a_kind(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(f"{TEXT}\n" * 5, encoding="utf-8")
    (tmp_path / "a.jsonl").write_text(_rows(7), encoding="utf-8")
    assert [kind.documents for kind in _sample(tmp_path / "a.txt", tmp_path / "a.jsonl")] == [7, 5]


def test_what_a_run_would_refuse_is_refused_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,content\n" + "1,甲\n" * 300_000, encoding="utf-8")
    with pytest.raises(InputError, match=rf"{tmp_path}/a\.csv has the columns 'id', 'content'"):
        _sample(tmp_path / "a.csv")
    pq.write_table(pa.table({"content": ["甲"]}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=rf"{tmp_path}/a\.parquet has the columns 'content'"):
        _sample(tmp_path / "a.parquet")
    with pytest.raises(InputError, match=rf"{tmp_path}/gone\.txt: it can't be read \(No such file"):
        _sample(tmp_path / "gone.txt")


def test_a_damaged_file_is_a_document_that_can_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"this is no parquet")
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), tmp_path / "b.parquet")
    (only,) = _sample(tmp_path / "a.parquet", tmp_path / "b.parquet")
    assert (only.sampled, only.kept) == (1, 0)


def test_files_are_taken_from_everywhere() -> None:
    files = [str(number) for number in range(100)]
    assert spread_evenly(files, 4) == ["0", "25", "50", "75"]
    assert spread_evenly(files[:3], 4) == ["0", "1", "2"]
