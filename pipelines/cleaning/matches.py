"""Stretches of a text that were found to be something: which of those that overlap count, and masking them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Match:
    """`text[start:end]` is a `kind`."""

    kind: str
    start: int
    end: int

    def __len__(self) -> int:
        return self.end - self.start


def without_overlaps(matches: Iterable[Match], kinds: Sequence[str]) -> list[Match]:
    """The matches in the order of the text. Of those that overlap the longest stays, then the first of `kinds`."""
    kept: list[Match] = []
    for match in sorted(matches, key=lambda m: (-len(m), kinds.index(m.kind), m.start)):
        if all(match.end <= other.start or other.end <= match.start for other in kept):
            kept.append(match)
    return sorted(kept, key=lambda match: match.start)


def replace(text: str, matches: Sequence[Match], replacements: Mapping[str, str]) -> str:
    """`text` with the replacement of its kind for every match (ordered, without overlaps)."""
    parts: list[str] = []
    done = 0
    for match in matches:
        parts += [text[done : match.start], replacements[match.kind]]
        done = match.end
    return "".join([*parts, text[done:]])


def blank(text: str, matches: Sequence[Match], filler: str) -> str:
    """`text` with every character of a match overwritten, so that all places stay what they are."""
    for match in matches:
        text = text[: match.start] + filler * len(match) + text[match.end :]
    return text
