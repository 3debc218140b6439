"""Question/answer pairs from knowledge articles: the demo's fine-tuning and evaluation data."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from danlu.errors import InputError

_PAIR = re.compile(r"\*\*问：\*\*\s*(?P<question>.+?)\s*\n+\s*\*\*答：\*\*\s*(?P<answer>.+?)\s*(?=\n|\Z)")


@dataclass(frozen=True)
class Pair:
    """A question, its reference answer, and the article (file stem) that states it."""

    article: str
    question: str
    answer: str


def pairs_of(article: str, text: str) -> list[Pair]:
    """The `**问：** ...` / `**答：** ...` pairs of one article."""
    return [Pair(article, found["question"], found["answer"]) for found in _PAIR.finditer(text)]


def read_pairs(folder: Path) -> list[Pair]:
    """All pairs of the articles (*.md) in a folder, in order of file name.

    Raises:
        InputError: no article holds a pair.
    """
    articles = sorted(folder.glob("*.md"))
    pairs = [pair for file in articles for pair in pairs_of(file.stem, file.read_text(encoding="utf-8"))]
    if not pairs:
        raise InputError(f"{folder} holds no question/answer pairs", rule="a pair is written **问：** and **答：**")
    return pairs


def chat_lines(pairs: Iterable[Pair]) -> str:
    """The pairs as chat jsonl, one conversation a line."""
    return "".join(
        json.dumps({"messages": _messages(pair), "article": pair.article}, ensure_ascii=False) + "\n" for pair in pairs
    )


def question_lines(pairs: Iterable[Pair]) -> str:
    """The pairs as the jsonl that `danlu evaluate` reads."""
    return "".join(
        json.dumps({"question": pair.question, "answer": pair.answer}, ensure_ascii=False) + "\n" for pair in pairs
    )


def _messages(pair: Pair) -> list[dict[str, str]]:
    return [{"role": "user", "content": pair.question}, {"role": "assistant", "content": pair.answer}]
