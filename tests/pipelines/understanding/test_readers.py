import json
from pathlib import Path
from typing import Any

import pytest

from danlu.errors import InputError
from pipelines.understanding.readers import find_utterances, read_utterances, word_spans
from pipelines.understanding.utterances import Utterance


def write(folder: Path, *rows: dict[str, Any] | str) -> list[str]:
    file = folder / "u.jsonl"
    lines = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return [str(file)]


def row(text: str, *slots: tuple[str, int, int, str], intent: str = "top_up") -> dict[str, Any]:
    keys = ("name", "start", "end", "value")
    return {"text": text, "intent": intent, "slots": [dict(zip(keys, slot, strict=True)) for slot in slots]}


def test_rows_become_utterances(tmp_path: Path) -> None:
    files = write(
        tmp_path,
        row("给我充100元", ("amount", 3, 7, "100元")),
        {"text": "你好", "intent": "greet"},
        row("日本，明天", ("date", 3, 5, "明天"), ("country", 0, 2, "日本")),
    )
    assert read_utterances(files) == [
        Utterance("给我充100元", "top_up", (("amount", 3, 7),), "u.jsonl:1"),
        Utterance("你好", "greet", (), "u.jsonl:2"),
        Utterance("日本，明天", "top_up", (("country", 0, 2), ("date", 3, 5)), "u.jsonl:3"),
    ]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (row("充100元", ("amount", 0, 3, "100")), r":1: slot amount \[0:3\] is '充10' in the text, but value is '100'"),
        (row("充100元", ("amount", 0, 3, "100")), r"\(which stands at \[1:4\]\)"),
        (row("充100元", ("amount", 1, 4, "200")), r"value is '200' \(which the text does not contain\)"),
        (row("充100元", ("amount", 1, 9, "100元")), r"\[1:9\] does not lie in the text, which has 5 characters"),
        (row("充100元", ("amount", 3, 3, "")), r"\[3:3\] does not lie in the text"),
        (row("充 100元", ("amount", 1, 6, " 100元")), "white space at its edge"),
        (row("充100元", ("amount", 1, 5, "100元"), ("money", 3, 5, "0元")), "slots amount and money overlap"),
        (row("充100元", ("the amount", 1, 5, "100元")), r"slots.0.name"),
        (row("  "), "text is empty"),
        ({"text": "你好"}, "intent: Field required"),
        ({"text": "你好", "intent": "greet", "slot": []}, "slot: Extra inputs"),
        ('{"text": "你好"', "no JSON object"),
        ('["你好"]', "no JSON object"),
    ],
)  # fmt: skip
def test_a_wrong_annotation_is_named(tmp_path: Path, wrong: dict[str, Any] | str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_utterances(write(tmp_path, wrong))


def test_the_first_few_are_listed_and_all_are_counted(tmp_path: Path) -> None:
    rows = [row(f"充{n}元", ("amount", 0, 2, "x")) for n in range(9)]
    with pytest.raises(InputError) as error:
        read_utterances(write(tmp_path, row("你好", intent="greet"), *rows))
    text = str(error.value)
    assert "input has 9 wrong annotations" in text and "... and 4 more" in text
    assert "u.jsonl:2" in text and "u.jsonl:6" in text and "u.jsonl:7" not in text


def test_one_text_with_two_intents_is_refused(tmp_path: Path) -> None:
    files = write(tmp_path, row("取消", intent="cancel"), row("取消", intent="deny"))
    with pytest.raises(InputError, match=r"u.jsonl:2: '取消' is annotated otherwise in u.jsonl:1 \(cancel and deny\)"):
        read_utterances(files)


def test_the_same_row_twice_is_no_mistake(tmp_path: Path) -> None:
    assert len(read_utterances(write(tmp_path, row("好"), row("好")))) == 2


def test_the_key_that_named_the_files_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="validation_input has 1 wrong annotations"):
        read_utterances(write(tmp_path, row("")), "validation_input")


def test_a_line_ends_only_at_a_line_feed(tmp_path: Path) -> None:
    text = "你好\u2028在吗\x85\x0b"
    (tmp_path / "u.jsonl").write_bytes(
        json.dumps(row(text), ensure_ascii=False).replace("\\u000b", " ").encode() + b"\r\n"
    )
    assert [u.text for u in read_utterances([str(tmp_path / "u.jsonl")])] == ["你好\u2028在吗\x85 "]


def test_other_encodings_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "u.jsonl"
    file.write_bytes('{"text": "你好", "intent": "greet"}'.encode("gb18030"))
    with pytest.raises(InputError, match="not UTF-8"):
        read_utterances([str(file)])


def word_folder(folder: Path, words: str, tags: str, labels: str) -> list[str]:
    for name, text in {"seq.in": words, "seq.out": tags, "label": labels}.items():
        (folder / name).write_text(text, encoding="utf-8")
    return find_utterances(str(folder), "input")


def test_tagged_words_become_character_spans(tmp_path: Path) -> None:
    files = word_folder(tmp_path, "play  west bam\nrain ?\n", "O B-artist I-artist\nO O\n", "Play\nWeather\n")
    assert [Path(file).name for file in files] == ["label", "seq.in", "seq.out"]
    first, second = read_utterances(files)
    assert first.text == "play west bam" and first.spans == (("artist", 5, 13),) and first.intent == "Play"
    assert second.spans == () and second.source.endswith("seq.in:2")


def test_tagged_words_that_do_not_fit_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="3 words, 2 tags"):
        read_utterances(word_folder(tmp_path, "a b c\n", "O O\n", "X\n"))
    with pytest.raises(InputError, match="have 1, 1, 2 lines"):
        read_utterances(word_folder(tmp_path, "a b c\n", "O O O\n", "X\nY\n"))


def test_a_folder_without_labels_is_refused(tmp_path: Path) -> None:
    (tmp_path / "seq.in").write_text("a\n")
    with pytest.raises(InputError, match=r"seq.out and label beside it are missing"):
        find_utterances(str(tmp_path), "input")


def test_an_inside_tag_without_beginning_begins_a_slot() -> None:
    assert word_spans(["a", "bc", "d"], ["I-x", "I-x", "I-y"]) == [("x", 0, 4), ("y", 5, 6)]
    assert word_spans(["a", "b"], ["B-x", "B-x"]) == [("x", 0, 1), ("x", 2, 3)]


def test_the_examples_are_readable(examples: Path) -> None:
    utterances = read_utterances(find_utterances(str(examples / "utterances.jsonl"), "input"))
    assert len(utterances) >= 700
