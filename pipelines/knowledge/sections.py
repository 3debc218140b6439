"""The parts of a Markdown document: its title, its sections by heading, and its question-and-answer pairs.

Positions are offsets into the document's text, so that a quotation can always be found again in its source.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_HEADING = re.compile(r"^(#{1,6})[ \t]+(.+?)[ \t]*#*[ \t]*$")
_FENCE = re.compile(r"^[ \t]*(```|~~~)")
_QUESTION = re.compile(r"^[ \t]*(?:\*\*)?[ \t]*(?:问|Q)[ \t]*[：:][ \t]*(?:\*\*)?[ \t]*(?P<question>\S.*?)[ \t]*$")
_ANSWER = re.compile(r"^[ \t]*(?:\*\*)?[ \t]*(?:答|A)[ \t]*[：:][ \t]*(?:\*\*)?[ \t]*")


@dataclass(frozen=True)
class Section:
    """A stretch `text[start:end]` under one heading; `heading` joins the headings above it but the title by ` > `."""

    heading: str
    start: int
    end: int


@dataclass(frozen=True)
class Pair:
    """A question with its answer, lying at `text[start:end]`; the parts are free of markup."""

    heading: str
    question: str
    answer: str
    start: int
    end: int


@dataclass(frozen=True)
class Outline:
    """A document's parts in order. Every character that is not blank or a heading lies in exactly one of them."""

    title: str
    parts: tuple[Section | Pair, ...]


@dataclass(frozen=True)
class _Line:
    text: str
    start: int
    end: int  # line break included


def outline(text: str, fallback_title: str) -> Outline:
    """Take a document apart. The title is its first level-one heading, else `fallback_title`."""
    title, path = "", list[tuple[int, str]]()
    parts: list[Section | Pair] = []
    block: list[_Line] = []

    def close() -> None:
        heading = " > ".join(name for _, name in path)
        parts.extend(_split_pairs(text, block, heading))
        block.clear()

    for line, heading in _classified(text):
        if heading is None:
            block.append(line)
            continue
        close()
        level, name = heading
        path[:] = [entry for entry in path if entry[0] < level]
        if level == 1 and not title:
            title = name
        else:
            path.append((level, name))
    close()
    return Outline(title or fallback_title, tuple(parts))


def _classified(text: str) -> Iterator[tuple[_Line, tuple[int, str] | None]]:
    """Every line, with (level, name) when it is a heading; a `#` inside a fenced code block is none."""
    position, fence = 0, ""
    for raw in text.splitlines(keepends=True):
        line = _Line(raw.rstrip("\r\n"), position, position + len(raw))
        position += len(raw)
        mark = _FENCE.match(raw)
        if mark:
            fence = mark[1] if not fence else "" if mark[1] == fence else fence
        match = None if fence or mark else _HEADING.match(line.text)
        yield line, (len(match[1]), match[2]) if match else None


def _split_pairs(text: str, lines: list[_Line], heading: str) -> Iterator[Section | Pair]:
    """The pairs among the lines under one heading, and the sections between them."""
    rest: list[_Line] = []
    i = 0
    while i < len(lines):
        length = _pair_length(lines, i)
        if length == 0:
            rest.append(lines[i])
            i += 1
            continue
        yield from _section(text, rest, heading)
        rest = []
        yield _pair(lines[i : i + length], heading)
        i += length
    yield from _section(text, rest, heading)


def _pair_length(lines: list[_Line], first: int) -> int:
    """How many lines the pair that begins at `first` takes; 0 when none begins there.

    An answer ends at a blank line, at the next question or with the section.
    """
    if not _QUESTION.match(lines[first].text):
        return 0
    answer = first + 1
    while answer < len(lines) and not lines[answer].text.strip():
        answer += 1
    if answer >= len(lines) or not _ANSWER.match(lines[answer].text):
        return 0
    end = answer + 1
    while end < len(lines) and lines[end].text.strip() and not _QUESTION.match(lines[end].text):
        end += 1
    return end - first


def _pair(lines: list[_Line], heading: str) -> Pair:
    question = _QUESTION.match(lines[0].text)
    assert question is not None, "_pair_length has matched it"
    rest = [line.text.strip() for line in lines[1:] if line.text.strip()]
    answer = " ".join([_ANSWER.sub("", rest[0]), *rest[1:]]).strip()
    end = lines[-1].start + len(lines[-1].text)
    return Pair(heading, question["question"], answer, lines[0].start, end)


def _section(text: str, lines: list[_Line], heading: str) -> Iterator[Section]:
    if not lines:
        return
    start, end = lines[0].start, lines[-1].end
    body = text[start:end]
    if body.strip():
        yield Section(heading, start + len(body) - len(body.lstrip()), end - len(body) + len(body.rstrip()))
