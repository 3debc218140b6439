"""`danlu evaluate`: ask a running server every question, score the answers, and report."""

from __future__ import annotations

import asyncio

from danlu.progress import Progress
from danlu.report import Report
from danlu.run_directory import RunDirectory
from pipelines.evaluation import report
from pipelines.evaluation.answers import AnswerLog, ScoredAnswer, in_order
from pipelines.evaluation.asking import ask_all
from pipelines.evaluation.config import EvaluateConfig
from pipelines.evaluation.questions import find_question_files, read_questions

ANSWERS = "answers.jsonl"


def inputs(config: EvaluateConfig) -> list[str]:
    """The files of questions."""
    return find_question_files(config.input)


def resources(config: EvaluateConfig) -> dict[str, float]:
    """Nothing: the work is the server's."""
    return {}


def run(config: EvaluateConfig, run: RunDirectory, progress: Progress) -> Report:
    """Write answers.jsonl and report the scores. Questions that an earlier, stopped run asked are not asked again.

    Raises:
        DanluError: see `ask_all`.
    """
    questions = read_questions(find_question_files(config.input))
    log = AnswerLog(run.local(ANSWERS))
    answers = log.read()
    left = [question for question in questions if question.number not in answers]

    with progress.stage(f"ask {config.model}", total=len(questions), unit="questions") as stage:
        stage.update(len(answers))

        def keep(answer: ScoredAnswer) -> None:
            log.add(answer)
            answers[answer.number] = answer
            stage.advance()

        asyncio.run(ask_all(config, left, keep))
    rows = in_order(answers.values())
    run.write_text(ANSWERS, "".join(row.line() for row in rows))
    return report.build(rows, len(questions), config.threshold)
