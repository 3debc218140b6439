"""The figures and pictures of an evaluation. Pure: answers in, report out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import fmean, median

from danlu.report import Bars, Check, Report, Section, Table
from pipelines.evaluation.answers import ScoredAnswer

_BINS = 10
_WORST = 20


def build(answers: Sequence[ScoredAnswer], questions: int, threshold: float) -> Report:
    """The report over all answers, failed ones included (they score 0)."""
    scores = [answer.rouge_l for answer in answers]
    errors = [answer for answer in answers if answer.error]
    right = sum(score >= threshold for score in scores)
    return Report(
        job="evaluate",
        figures={
            "questions": questions,
            "failed_questions": len(errors),
            "rouge_l_mean": fmean(scores),
            "rouge_l_median": median(scores),
            "right_threshold": threshold,
            "right_questions": right,
            "right_share": right / len(answers),
            "exact_match_share": sum(answer.exact for answer in answers) / len(answers),
        },
        checks=[
            Check(
                name="every question has a row in answers.jsonl",
                held=[answer.number for answer in answers] == list(range(questions)),
                detail=f"{len(answers)} rows for {questions} questions",
            ),
            Check(name="the server answered every question", held=not errors, detail=f"{len(errors)} refused"),
        ],
        sections=_sections(answers, errors),
    )


def histogram(scores: Sequence[float]) -> list[tuple[str, float]]:
    """How many scores lie in each tenth of 0..1; exactly 1 belongs to the last."""
    counts = Counter(min(int(score * _BINS), _BINS - 1) for score in scores)
    return [(f"{i / _BINS:.1f} - {(i + 1) / _BINS:.1f}", float(counts[i])) for i in range(_BINS)]


def _sections(answers: Sequence[ScoredAnswer], errors: Sequence[ScoredAnswer]) -> list[Section]:
    worst = sorted((answer for answer in answers if not answer.error), key=lambda answer: answer.rouge_l)[:_WORST]
    sections: list[Section] = [
        Bars(
            title="ROUGE-L of the answers",
            bars=histogram([answer.rouge_l for answer in answers]),
            unit="questions",
            note="F-measure over characters (Latin words and numbers whole), without case, spaces and punctuation",
        ),
        Table(
            title="Worst answers",
            columns=["question", "expected", "answer", "ROUGE-L"],
            rows=[[a.question, a.reference, a.answer, round(a.rouge_l, 3)] for a in worst],
        ),
    ]
    if errors:
        rows: list[list[str | int | float | bool | None]] = [[a.question[:200], a.error] for a in errors[:_WORST]]
        sections.append(Table(title="Questions that the server refused", columns=["question", "reason"], rows=rows))
    return sections
