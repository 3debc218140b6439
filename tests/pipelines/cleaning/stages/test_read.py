"""Cutting the input into units and shards."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.cleaning import store
from pipelines.cleaning.config import NormaliseConfig
from pipelines.cleaning.layout import Layout
from pipelines.cleaning.readers import Fields
from pipelines.cleaning.stages import read
from pipelines.cleaning.stages.read import ReadUnit, Unit, plan_units, source_names


def test_small_files_go_together_and_a_large_one_alone() -> None:
    files = [f"/raw/{number:02d}.html" for number in range(20)] + ["/raw/big.jsonl", "/raw/last.txt"]
    units = plan_units(files, [1000] * 20 + [100 << 20, 1000])
    assert [len(unit.files) for unit in units] == [20, 1, 1]
    assert [file for unit in units for file in unit.files] == files
    assert units[0].sources[0] == "00.html"


def test_a_middling_corpus_makes_several_units() -> None:
    units = plan_units([f"/raw/{n}.txt" for n in range(100)], [100_000] * 100)
    assert 8 <= len(units) <= 10


@pytest.mark.parametrize(
    ("files", "names"),
    [
        (["/a/b/x.txt", "/a/b/c/x.txt"], ["x.txt", "c/x.txt"]),
        (["/a/x.txt"], ["x.txt"]),
        (["/a/\udccee.txt", "/a/b.txt"], ["\ufffde.txt", "b.txt"]),
        (["/a/x.txt", "s3://bucket/a/x.txt"], ["/a/x.txt", "s3://bucket/a/x.txt"]),
    ],
)
def test_sources_leave_out_what_all_have_in_common(files: list[str], names: list[str]) -> None:
    assert list(source_names(files).values()) == names


def test_a_unit_is_read_into_shards_of_bounded_size_and_not_again(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("\n".join(f"第{number}篇文档" for number in range(25)), encoding="utf-8")
    layout = Layout(str(tmp_path / "run"))
    work = ReadUnit(layout, Fields("text", "id"), NormaliseConfig(), 10)
    unit = Unit("00000", (str(file),), ("a.txt",))
    facts = work(unit)[1]
    assert facts == {"shards": [["00000-0000", 10], ["00000-0001", 10], ["00000-0002", 5]]}
    assert store.read_table(layout.raw("00000-0002"))["id"].to_pylist()[-1] == "a.txt#24"
    file.unlink()
    assert work(unit)[1] == facts


def test_long_documents_make_shorter_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read, "SHARD_BYTES", 3000)
    texts = ["短", "长" * 900, "中" * 100, "长" * 5000, *["短"] * 12]
    (tmp_path / "a.txt").write_text("\n".join(texts), encoding="utf-8")
    layout = Layout(str(tmp_path / "run"))
    facts = ReadUnit(layout, Fields("text", "id"), None, 10)(Unit("0", (str(tmp_path / "a.txt"),), ("a.txt",)))[1]
    assert [documents for _, documents in facts["shards"]] == [3, 1, 10, 2]
    shards = [store.read_table(layout.raw(name))["text"].to_pylist() for name, _ in facts["shards"]]
    assert [text for shard in shards for text in shard] == texts
