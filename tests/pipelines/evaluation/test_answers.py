from __future__ import annotations

from pathlib import Path

from pipelines.evaluation.answers import AnswerLog, failed, score
from pipelines.evaluation.questions import Question


def test_answers_read_back_whatever_they_hold(tmp_path: Path) -> None:
    log = AnswerLog(tmp_path / "answers.jsonl")
    texts = ["a\u2028b", "\x85\x1c\x1e", "行一\n行二\r", "😀", ""]
    kept = [score(Question(number, "问", "答"), text) for number, text in enumerate(texts)]
    kept.append(failed(Question(5, "q", "a"), "too long"))
    for answer in kept:
        log.add(answer)
    assert log.read() == {answer.number: answer for answer in kept}


def test_a_line_cut_short_is_dropped(tmp_path: Path) -> None:
    file = tmp_path / "answers.jsonl"
    log = AnswerLog(file)
    log.add(score(Question(0, "q", "a"), "a"))
    whole = file.read_bytes()
    file.write_bytes(whole + whole[:-1])
    assert set(log.read()) == {0}
    assert file.read_bytes() == whole
