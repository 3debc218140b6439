import json
from pathlib import Path

import pytest

from cluster.demo.pairs import Pair, chat_lines, pairs_of, question_lines, read_pairs
from danlu.errors import InputError

ARTICLE = """# 挂失

卡片丢失后请立即挂失。

## 常见问题

**问：** 挂失收费吗？
**答：** 不收费。

**问：** 多久生效？

**答：** 立即生效。
"""


def test_pairs_are_found_with_and_without_blank_lines() -> None:
    assert pairs_of("card", ARTICLE) == [
        Pair("card", "挂失收费吗？", "不收费。"),
        Pair("card", "多久生效？", "立即生效。"),
    ]


def test_lines_are_json_that_the_jobs_read() -> None:
    pairs = pairs_of("card", ARTICLE)
    chats = [json.loads(line) for line in chat_lines(pairs).splitlines()]
    assert [message["role"] for message in chats[0]["messages"]] == ["user", "assistant"]
    assert json.loads(question_lines(pairs).splitlines()[1]) == {"question": "多久生效？", "answer": "立即生效。"}


def test_every_example_question_has_one_answer(examples: Path) -> None:
    questions = [pair.question for pair in read_pairs(examples / "knowledge")]
    assert len(questions) == len(set(questions)) > 20


def test_a_folder_without_pairs_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# no pairs")
    with pytest.raises(InputError, match="no question/answer pairs"):
        read_pairs(tmp_path)
