"""Concepts: ideas that a requirement can name, in English and Chinese, and what each means in code."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

from serve_apps.code_generation.vocabulary import TABLES

StepKind = Literal["filter", "map", "reduce", "sort", "search", "group", "condition", "parse"]
_ENDINGS = "(?:s|es|d|ed|ing)?"


@dataclass(frozen=True)
class Concept:
    """One idea: `english` and `chinese` are regular expressions, the phrases say it in a plan's step.

    A hint is too common a word to be a step of a plan, but tells the search where to look first.
    """

    kind: StepKind | Literal["hint"]
    name: str
    english: str
    chinese: str
    phrase: str
    chinese_phrase: str

    def phrase_in(self, chinese: bool) -> str:
        """What the concept means in a plan, in the language of the requirement."""
        return self.chinese_phrase if chinese else self.phrase

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        return re.compile(rf"\b(?:{self.english}){_ENDINGS}\b|{self.chinese}", re.IGNORECASE)


def find_concepts(text: str) -> list[Concept]:
    """The concepts that a text names, in the order of their first mention."""
    first: dict[str, Concept] = {}
    for mention in find_mentions(text):
        for concept in mention:
            first.setdefault(concept.name, concept)
    return list(first.values())


def find_mentions(text: str) -> list[tuple[Concept, ...]]:
    """What each place of a text may mean, in order: the concepts whose words overlap there."""
    prose = text.replace("_", " ")
    matches = sorted(
        ((*match.span(), concept) for concept in CONCEPTS for match in concept.pattern.finditer(prose)),
        key=lambda match: match[:2],
    )
    mentions: list[tuple[Concept, ...]] = []
    reached = -1
    for start, end, concept in matches:
        if start >= reached:
            mentions.append((concept,))
        elif concept not in mentions[-1]:
            mentions[-1] = (*mentions[-1], concept)
        reached = max(reached, end)
    return mentions


def _read_tables() -> tuple[Concept, ...]:
    found = []
    for kind, rows in TABLES.items():
        assert kind == "hint" or kind in get_args(StepKind), kind
        for line in rows.strip().splitlines():
            found.append(Concept(kind, *(cell.strip() for cell in line.split(" ; "))))  # type: ignore[arg-type]
    return tuple(found)


CONCEPTS: tuple[Concept, ...] = _read_tables()
