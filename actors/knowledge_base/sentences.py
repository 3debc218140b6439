"""Where sentences end in Chinese and Latin text."""

from __future__ import annotations

import re

# A sentence ends after its closing marks, together with the quotes and brackets that close behind them; a blank line
# and a new list item or table row end one too. A full stop between digits or letters (`3.5`, `v1.2`) does not.
_SENTENCE_END = re.compile(
    r"[。！？!?；;…]+[”’」』）)\]】]*|(?<=[^\d])\.(?=\s)|\n[ \t]*\n|\n(?=[ \t]*(?:[-*+|]|\d+[.、]))"
)


def sentences(text: str, start: int = 0, end: int | None = None) -> list[tuple[int, int]]:
    """The spans of the sentences of `text[start:end]`, without the blanks around them."""
    stop = len(text) if end is None else end
    cuts = [match.end() for match in _SENTENCE_END.finditer(text, start, stop)]
    spans = [trimmed(text, a, b) for a, b in zip([start, *cuts], [*cuts, stop], strict=True)]
    return [span for span in spans if span is not None]


def trimmed(text: str, start: int, end: int) -> tuple[int, int] | None:
    """The span without the blanks at its ends; None when nothing is left."""
    body = text[start:end]
    stripped = body.strip()
    if not stripped:
        return None
    left = start + len(body) - len(body.lstrip())
    return left, left + len(stripped)
