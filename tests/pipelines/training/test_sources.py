"""What `input` may hold, and what is said when it holds something else."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu.errors import InputError
from pipelines.training.input_shards import plan_shards
from pipelines.training.sources import (
    Kind,
    detect_kind,
    held_out,
    input_files,
    input_names,
    read_documents,
    sampled,
    text_of,
)

CHAT = {"messages": [{"role": "user", "content": "问"}, {"role": "assistant", "content": "答"}]}


def jsonl(path: Path, *rows: object) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def parquet(path: Path, **columns: list) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(columns).to_parquet(path)
    return str(path)


def read(file: str, kind: Kind) -> list:
    return [document.content for shard in plan_shards([file]) for document in read_documents(shard, kind)]


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
    assert [text for file in (table, lines) for text in read(file, "text")] == ["一", "三", "四"]


def test_conversations_come_from_jsonl(tmp_path) -> None:
    file = jsonl(tmp_path / "chat.jsonl", CHAT, {"messages": [{**m, "id": 1} for m in CHAT["messages"]]})
    assert detect_kind([file]) == "chat"
    assert read(file, "chat") == [CHAT["messages"]] * 2


def test_calls_of_tools_come_with_conversations(tmp_path) -> None:
    call = {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "f", "arguments": {}}}]}
    result = {"role": "tool", "content": "1", "name": "f", "extra": 3}
    row = {"messages": [CHAT["messages"][0], call, result, CHAT["messages"][1]], "tools": [{"type": "function"}]}
    (found,) = [
        document
        for shard in plan_shards([jsonl(tmp_path / "chat.jsonl", row)])
        for document in read_documents(shard, "chat")
    ]
    assert found.tools == [{"type": "function"}]
    assert found.content[1] == call | {"content": ""} and "extra" not in found.content[2]
    assert '"name": "f"' in text_of(found.content)


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
def test_a_broken_conversation_is_named_by_file_and_line(tmp_path, messages: object, rule: str) -> None:
    file = jsonl(tmp_path / "chat.jsonl", CHAT, {"messages": messages})
    with pytest.raises(InputError, match=rf"chat\.jsonl line 2.*{rule}"):
        read(file, "chat")


def test_unreadable_files_are_named(tmp_path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"not a table")
    with pytest.raises(InputError, match=r"a\.parquet is no readable parquet"):
        detect_kind([str(tmp_path / "a.parquet")])
    (tmp_path / "a.jsonl").write_text('{"text": "x"}\n{"text": \n')
    with pytest.raises(InputError, match="line 2 is not JSON"):
        read(str(tmp_path / "a.jsonl"), "text")
    (tmp_path / "b.jsonl").write_bytes("文".encode("gb18030"))
    with pytest.raises(InputError, match="not UTF-8"):
        detect_kind([str(tmp_path / "b.jsonl")])
    with pytest.raises(InputError, match="`text` or `messages` is needed"):
        detect_kind([jsonl(tmp_path / "c.jsonl", {"body": "x"})])
    with pytest.raises(InputError, match="`text` or `messages` is needed"):
        detect_kind([parquet(tmp_path / "c.parquet", body=["x"])])
    with pytest.raises(InputError, match="`text` must be a string"):
        read(jsonl(tmp_path / "d.jsonl", {"text": 3}), "text")
    with pytest.raises(InputError, match="none of them has a row"):
        detect_kind([jsonl(tmp_path / "e.jsonl")])


@given(st.text(), st.floats(0, 0.5))
def test_the_split_depends_on_content_and_grows_with_the_share(text: str, share: float) -> None:
    assert held_out(text, share) == held_out(text, share)
    assert not held_out(text, 0)
    assert not held_out(text, share) or held_out(text, share + 0.1)


def test_the_split_takes_about_its_share() -> None:
    assert 150 < sum(held_out(f"文档{i}", 0.1) for i in range(2000)) < 250


def test_inputs_with_names_name_their_files(tmp_path) -> None:
    a, b = jsonl(tmp_path / "a.jsonl", {"text": "一"}), jsonl(tmp_path / "b" / "b.jsonl", {"text": "二"})
    assert input_names({"web": a, "books": [str(tmp_path / "b")]}) == {a: "web", b: "books"}
    assert input_files({"web": a, "books": [str(tmp_path / "b")]}) == [a, b]
    assert input_names([a, b]) == {}
    with pytest.raises(InputError, match=r"input\.books and input\.web both hold .*a\.jsonl"):
        input_names({"web": a, "books": str(tmp_path / "*.jsonl")})


def test_domains_are_read_where_they_are_wanted(tmp_path) -> None:
    table = parquet(tmp_path / "a.parquet", text=["一", "二"], domain=["law", None])
    plain = jsonl(tmp_path / "b.jsonl", {"text": "三"})
    domains = [
        document.domain
        for shard in plan_shards([table, plain])
        for document in read_documents(shard, "text", with_domain=True)
    ]
    assert domains == ["law", "", None]


def test_samples_depend_on_content_and_seed_but_not_on_the_split() -> None:
    texts = [f"文档{i}" for i in range(4000)]
    taken = [{t for t in texts if sampled(t, 0.25, seed)} for seed in (0, 1)]
    assert all(800 < len(some) < 1200 for some in taken) and 180 < len(taken[0] & taken[1]) < 320
    assert 50 < sum(held_out(text, 0.1) for text in taken[0]) < 160
