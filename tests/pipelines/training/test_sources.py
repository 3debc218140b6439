"""What `input` may hold, and what is said when it holds something else."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu.errors import InputError
from pipelines.training.sources import detect_kind, held_out, input_files, read_conversations, read_texts

CHAT = {"messages": [{"role": "user", "content": "问"}, {"role": "assistant", "content": "答"}]}


def jsonl(path: Path, *rows: object) -> str:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def parquet(path: Path, **columns: list) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(columns).to_parquet(path)
    return str(path)


def test_of_a_cleaning_run_only_what_it_kept_is_read(tmp_path) -> None:
    kept = parquet(tmp_path / "clean" / "a.parquet", id=["1"], text=["留下"])
    parquet(tmp_path / "dropped" / "a.parquet", id=["2"], reason=["short"])
    more = jsonl(tmp_path / "more.jsonl", {"text": "还有"})
    assert input_files(str(tmp_path)) == [kept]
    assert input_files([str(tmp_path), more]) == sorted([kept, more])


def test_documents_come_from_parquet_and_jsonl(tmp_path) -> None:
    table = parquet(tmp_path / "a.parquet", id=["1", "2", "3"], text=["一", "", "三"])
    lines = jsonl(tmp_path / "a.jsonl", {"text": "四", "id": 9})
    assert detect_kind([table, lines]) == "text"
    assert [text for file in (table, lines) for text in read_texts(file)] == ["一", "三", "四"]


def test_conversations_come_from_jsonl(tmp_path) -> None:
    file = jsonl(tmp_path / "chat.jsonl", CHAT, {"messages": [{**m, "id": 1} for m in CHAT["messages"]]})
    assert detect_kind([file]) == "chat"
    assert list(read_conversations(file)) == [CHAT["messages"]] * 2


def test_text_and_conversations_are_not_mixed(tmp_path) -> None:
    files = [jsonl(tmp_path / "a.jsonl", {"text": "一"}), jsonl(tmp_path / "b.jsonl", CHAT)]
    with pytest.raises(InputError, match=r"mixes text \(.*a\.jsonl\) and conversations \(.*b\.jsonl\)"):
        detect_kind(files)


@pytest.mark.parametrize(
    ("messages", "rule"),
    [
        ([], "must be a list"),
        ("hello", "must be a list"),
        ([{"role": "user"}], "string `content`"),
        ([{"role": "robot", "content": "x"}], "role is 'robot'"),
        ([{"role": "user", "content": "x"}], "no message is the assistant's"),
    ],
)
def test_a_broken_conversation_is_named_by_file_and_row(tmp_path, messages: object, rule: str) -> None:
    file = jsonl(tmp_path / "chat.jsonl", CHAT, {"messages": messages})
    with pytest.raises(InputError, match=rf"chat\.jsonl row 2.*{rule}"):
        list(read_conversations(file))


def test_unreadable_files_are_named(tmp_path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"not a table")
    with pytest.raises(InputError, match=r"a\.parquet is no readable parquet"):
        detect_kind([str(tmp_path / "a.parquet")])
    (tmp_path / "a.jsonl").write_text('{"text": "x"}\n{"text": \n')
    with pytest.raises(InputError, match="line 2 is not JSON"):
        list(read_texts(str(tmp_path / "a.jsonl")))
    (tmp_path / "b.jsonl").write_bytes("文".encode("gb18030"))
    with pytest.raises(InputError, match="not UTF-8"):
        detect_kind([str(tmp_path / "b.jsonl")])
    with pytest.raises(InputError, match="`text` or `messages` is needed"):
        detect_kind([jsonl(tmp_path / "c.jsonl", {"body": "x"})])
    with pytest.raises(InputError, match="`text` or `messages` is needed"):
        detect_kind([parquet(tmp_path / "c.parquet", body=["x"])])
    with pytest.raises(InputError, match="`text` must be a string"):
        list(read_texts(jsonl(tmp_path / "d.jsonl", {"text": 3})))
    with pytest.raises(InputError, match="none of them has a row"):
        detect_kind([jsonl(tmp_path / "e.jsonl")])


@given(st.text(), st.floats(0, 0.5))
def test_the_split_depends_on_content_and_grows_with_the_share(text: str, share: float) -> None:
    assert held_out(text, share) == held_out(text, share)
    assert not held_out(text, 0)
    assert not held_out(text, share) or held_out(text, share + 0.1)


def test_the_split_takes_about_its_share() -> None:
    assert 150 < sum(held_out(f"文档{i}", 0.1) for i in range(2000)) < 250
