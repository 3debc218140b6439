"""Documents into chunks: by heading, then by sentence, none longer than asked.

Sizes are characters. A chunk is a stretch of the document's own text, never a rewriting of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from actors.knowledge_base.sentences import sentences, trimmed
from pipelines.knowledge.sections import Pair, outline

_CLAUSE_END = re.compile(r"[，,、：:\n ]")


@dataclass(frozen=True)
class Chunk:
    """A stretch of a document, `text == document[start:end]`. A `faq` chunk carries its question and answer."""

    kind: Literal["text", "faq"]
    title: str
    heading: str
    text: str
    start: int
    end: int
    question: str = ""
    answer: str = ""


def chunk_document(text: str, fallback_title: str, characters: int, overlap: int) -> list[Chunk]:
    """All chunks of a document in order.

    Args:
        characters: the longest a `text` chunk may be; a `faq` chunk is kept whole up to four times that.
        overlap: how much of a chunk's end the next one repeats, at most, in whole sentences.
    """
    document = outline(text, fallback_title)
    chunks: list[Chunk] = []
    for part in document.parts:
        if isinstance(part, Pair) and part.end - part.start <= 4 * characters:
            body = text[part.start : part.end]
            faq = Chunk("faq", document.title, part.heading, body, part.start, part.end, part.question, part.answer)
            chunks.append(faq)
        else:
            spans = pack(text, part.start, part.end, characters, overlap)
            chunks.extend(Chunk("text", document.title, part.heading, text[a:b], a, b) for a, b in spans)
    return chunks


def pack(text: str, start: int, end: int, characters: int, overlap: int) -> list[tuple[int, int]]:
    """Spans of whole sentences inside `text[start:end]`, each at most `characters` long, blank ends cut off.

    Together they cover every character of the stretch that is not blank.
    """
    pieces = [piece for span in sentences(text, start, end) for piece in _bounded(text, *span, characters)]
    spans: list[tuple[int, int]] = []
    first = 0
    while first < len(pieces):
        last = first
        while last + 1 < len(pieces) and pieces[last + 1][1] - pieces[first][0] <= characters:
            last += 1
        spans.append((pieces[first][0], pieces[last][1]))
        following = last + 1
        first = following if following == len(pieces) else _step_back(pieces, first, following, characters, overlap)
    return spans


def _bounded(text: str, start: int, end: int, characters: int) -> Iterator[tuple[int, int]]:
    """A sentence that is too long is cut behind the last clause mark that fits, else at the limit."""
    while end - start > characters:
        marks = [match.end() for match in _CLAUSE_END.finditer(text, start, start + characters)]
        cut = marks[-1] if marks else start + characters
        span = trimmed(text, start, cut)
        if span is not None:
            yield span
        start = cut
    span = trimmed(text, start, end)
    if span is not None:
        yield span


def _step_back(pieces: list[tuple[int, int]], first: int, following: int, characters: int, overlap: int) -> int:
    """Where the chunk after `following` begins: some whole sentences earlier, as long as it still gets further."""
    begin = following
    while begin - 1 > first and pieces[following - 1][1] - pieces[begin - 1][0] <= overlap:
        if pieces[following][1] - pieces[begin - 1][0] > characters:
            break
        begin -= 1
    return begin
