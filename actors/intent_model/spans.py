"""Slots as BIO tags over characters, and back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

OUTSIDE = "O"
Span = tuple[str, int, int]  # slot name, start, end (exclusive), in characters


def bio_tags(slot_names: Iterable[str]) -> list[str]:
    """`O`, then `B-x` and `I-x` for every name."""
    return [OUTSIDE, *(f"{mark}-{name}" for name in slot_names for mark in "BI")]


def tag_characters(length: int, spans: Iterable[Span]) -> list[str]:
    """The tag of each of `length` characters. Spans lie inside the text and do not overlap."""
    tags = [OUTSIDE] * length
    for name, start, end in spans:
        tags[start:end] = [f"B-{name}", *[f"I-{name}"] * (end - start - 1)]
    return tags


def read_spans(tags: Sequence[str]) -> list[Span]:
    """The spans that a well-formed tag sequence marks, in order."""
    spans: list[Span] = []
    for position, tag in enumerate(tags):
        if tag.startswith("B-"):
            spans.append((tag[2:], position, position + 1))
        elif tag.startswith("I-"):
            name, start, _ = spans.pop()
            spans.append((name, start, position + 1))
    return spans
