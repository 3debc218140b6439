"""Sentence banks: topics with openings, body lines and closings, from which documents are put together.

A bank is a text file::

    # topic
    $name = one|two|three      chosen once for each document, used as {$name}
    > an opening sentence
    a body sentence with {this|that} and {3..8}
    < a closing sentence

``{a|b}`` is one of the alternatives, ``{3..8}`` a whole number. A document takes some of the body lines in the order
of the bank, so a bank is written in the order in which its sentences make sense.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from random import Random

TEXTS = Path(__file__).parent / "texts"
_SLOT = re.compile(r"\{([^{}]+)\}")
_RANGE = re.compile(r"(\d+)\.\.(\d+)")
_OPENING_SHARE, _CLOSING_SHARE, _TWO_PARAGRAPHS_SHARE = 0.8, 0.5, 0.15


@dataclass(frozen=True)
class Topic:
    """What can be said about one subject."""

    title: str
    names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    openings: tuple[str, ...] = ()
    body: tuple[str, ...] = ()
    closings: tuple[str, ...] = ()

    def compose(self, rng: Random, used: Counter[str]) -> str:
        """A document of four to seven body sentences; those that `used` counts often are chosen less."""
        names = {name: rng.choice(choices) for name, choices in self.names.items()}
        lines = [_rarest(self.openings, 1, rng, used)] if rng.random() < _OPENING_SHARE else []
        lines.append(_rarest(self.body, rng.randint(4, 7), rng, used))
        if rng.random() < _CLOSING_SHARE:
            lines.append(_rarest(self.closings, 1, rng, used))
        sentences = [fill(line, rng, names) for part in lines for line in part]
        if len(sentences) > 4 and rng.random() < _TWO_PARAGRAPHS_SHARE:
            middle = rng.randint(2, len(sentences) - 2)
            return "".join(sentences[:middle]) + "\n" + "".join(sentences[middle:])
        return "".join(sentences)


def fill(template: str, rng: Random, names: dict[str, str] | None = None) -> str:
    """The template with every slot filled, the innermost first."""

    def value(slot: re.Match[str]) -> str:
        content = slot[1]
        if content.startswith("$"):
            return (names or {})[content[1:]]
        if limits := _RANGE.fullmatch(content):
            return str(rng.randint(int(limits[1]), int(limits[2])))
        return rng.choice(content.split("|"))

    while _SLOT.search(template):
        template = _SLOT.sub(value, template)
    return template


@cache
def read_topics(bank: str) -> tuple[Topic, ...]:
    """The topics of `texts/<bank>.txt`, in file order."""
    blocks = re.split(r"^# ", (TEXTS / f"{bank}.txt").read_text(encoding="utf-8"), flags=re.MULTILINE)
    return tuple(_parse(block) for block in blocks if block.strip())


@cache
def read_lines(name: str) -> tuple[str, ...]:
    """The lines of `texts/<name>.txt` that are neither empty nor a remark (`#`)."""
    lines = (TEXTS / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return tuple(line.strip() for line in lines if line.strip() and not line.startswith("#"))


def _parse(block: str) -> Topic:
    title, *lines = [line.strip() for line in block.splitlines() if line.strip()]
    names = dict(_name(line) for line in lines if line.startswith("$"))
    return Topic(
        title=title,
        names=names,
        openings=tuple(line[1:].strip() for line in lines if line.startswith(">")),
        body=tuple(line for line in lines if line[0] not in "$><"),
        closings=tuple(line[1:].strip() for line in lines if line.startswith("<")),
    )


def _name(line: str) -> tuple[str, tuple[str, ...]]:
    name, _, choices = line[1:].partition("=")
    return name.strip(), tuple(choice.strip() for choice in choices.split("|"))


def _rarest(lines: tuple[str, ...], count: int, rng: Random, used: Counter[str]) -> list[str]:
    """`count` of the lines in their order; a line loses to one that was used less, with some luck."""
    ranked = sorted(lines, key=lambda line: used[line] + 3 * rng.random())
    chosen = set(ranked[:count])
    used.update(chosen)
    return [line for line in lines if line in chosen]
