"""The questions of a task set, read strictly: a line that can't be asked is an error, never left out."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import fsspec

from danlu.errors import InputError
from danlu.inputs import find_files

SUFFIXES = (".jsonl", ".jsonl.gz")


@dataclass(frozen=True)
class Question:
    """A question, the answer it should get, and its number in the whole set."""

    number: int
    text: str
    reference: str


def find_question_files(inputs: str | Sequence[str]) -> list[str]:
    """The files of a task set; InputError when there is none."""
    return find_files(inputs, SUFFIXES)


def read_questions(files: Sequence[str]) -> list[Question]:
    """All questions, numbered from 0 over all files.

    Raises:
        InputError: a line is no JSON object with the texts `question` and `answer`, or there is no line, or a file
            is cut off, no gzip in spite of its name, or not UTF-8.
    """
    questions: list[Question] = []
    for file in files:
        for number, line in enumerate(_lines(file), start=1):
            if line.strip():
                questions.append(_question(len(questions), line, f"{file}, line {number}"))
    if not questions:
        raise InputError(f"{', '.join(files)}", rule="no question in it")
    return questions


def _lines(file: str) -> Iterator[str]:
    try:
        with fsspec.open(file, "rt", encoding="utf-8", compression="infer") as stream:
            yield from stream
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise InputError(f"{file} can't be read", rule=str(error)) from None


def _question(number: int, line: str, place: str) -> Question:
    try:
        row: Any = json.loads(line)
    except json.JSONDecodeError as error:
        raise InputError(place, rule=f"not valid JSON ({error.msg})") from None
    for key in ("question", "answer"):
        if not isinstance(row, dict) or not isinstance(row.get(key), str) or not row[key].strip():
            raise InputError(place, rule=f"`{key}` must be a text", fix='write {"question": "...", "answer": "..."}')
    return Question(number, row["question"], row["answer"])
