"""Scored answers, and the file that keeps them while the questions are asked."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from pipelines.evaluation.questions import Question
from pipelines.evaluation.rouge import exact_match, rouge_l


@dataclass(frozen=True)
class ScoredAnswer:
    """One row of answers.jsonl. Without an answer the scores are 0 and `error` says why."""

    number: int
    question: str
    reference: str
    answer: str
    rouge_l: float
    exact: bool
    error: str = ""

    def line(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False) + "\n"


def score(question: Question, answer: str) -> ScoredAnswer:
    """An answer with its scores."""
    reference = question.reference
    scores = rouge_l(reference, answer), exact_match(reference, answer)
    return ScoredAnswer(question.number, question.text, reference, answer, *scores)


def failed(question: Question, error: str) -> ScoredAnswer:
    """A question that the server refused."""
    return ScoredAnswer(question.number, question.text, question.reference, "", 0.0, False, error)


class AnswerLog:
    """answers.jsonl: a line is added with each answer, so that a stopped run asks only what is left."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[int, ScoredAnswer]:
        """The answers by question number; a line that a kill cut short is dropped from the file."""
        if not self._path.exists():
            return {}
        data = self._path.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]
        if whole != data:
            self._path.write_bytes(whole)
        # Split as bytes: as text, a line separator inside an answer (U+2028) would count as an end of line.
        answers = [ScoredAnswer(**json.loads(line)) for line in whole.splitlines()]
        return {answer.number: answer for answer in answers}

    def add(self, answer: ScoredAnswer) -> None:
        """Append a line."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(answer.line())


def in_order(answers: Iterable[ScoredAnswer]) -> list[ScoredAnswer]:
    """Sorted as the questions are."""
    return sorted(answers, key=lambda answer: answer.number)
