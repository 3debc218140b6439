"""Tables between stages."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from pipelines.cleaning import store

TABLE = pa.table({"id": ["a", "b"], "n": [1, 2]})


def test_a_table_and_its_facts_come_back(tmp_path: Path) -> None:
    uri = str(tmp_path / "x" / "t.parquet")
    assert store.read_facts(uri) is None
    store.write_table(uri, TABLE, documents=2)
    assert store.read_facts(uri) == {"documents": 2}
    assert store.read_table(uri).to_pylist() == TABLE.to_pylist()
    assert store.read_table(uri, ["n"], ids=["b"]).to_pylist() == [{"n": 2}]


def test_the_same_table_gives_the_same_bytes_and_nothing_half_written(tmp_path: Path) -> None:
    for name in ("a", "b"):
        store.write_table(str(tmp_path / name / "t.parquet"), TABLE, documents=2)
    assert (tmp_path / "a" / "t.parquet").read_bytes() == (tmp_path / "b" / "t.parquet").read_bytes()
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["t.parquet"]


def test_tables_can_lie_in_an_object_store() -> None:
    uri = "memory://bucket/run/clean/part-0.parquet"
    store.write_table(uri, TABLE)
    assert store.read_table(uri).num_rows == 2
    assert store.part_files("memory://bucket/run", "clean") == ["memory:///bucket/run/clean/part-0.parquet"]


def test_a_folder_is_put_and_fetched(tmp_path: Path) -> None:
    (tmp_path / "model" / "sub").mkdir(parents=True)
    (tmp_path / "model" / "sub" / "weights").write_bytes(b"123")
    store.put_folder(tmp_path / "model", "memory://bucket/model")
    with store.local_folder("memory://bucket/model") as folder:
        assert Path(folder, "sub", "weights").read_bytes() == b"123"
    with store.local_folder(str(tmp_path)) as folder:
        assert folder == str(tmp_path)


def test_bytes_come_back_as_they_were_written() -> None:
    store.write_bytes("memory://bucket/deep/file", b"some")
    store.write_bytes("memory://bucket/deep/file", b"other")
    assert store.read_bytes("memory://bucket/deep/file") == b"other"
