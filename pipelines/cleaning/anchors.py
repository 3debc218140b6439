"""Numbers and Latin words: what a paraphrase keeps and a form letter changes. Pure.

Two notices from one template can be closer in wording than two tellings of one fact; what they differ in is the
numbers and names.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Set

# What most of a Chinese text is made of; it becomes no anchor, and to normalise it costs more than all the rest.
_NO_ANCHOR = re.compile("[\u3001-\u3020\u4e00-\u9fff\u2018-\u201d\uff01\uff08\uff09\uff0c\uff1b\uff1f]+")
_ANCHOR = re.compile(r"[0-9]+(?:[.:/-][0-9]+)*|[a-z][a-z0-9]+")


def anchors(text: str) -> frozenset[str]:
    """The different numbers and Latin words of a text."""
    return frozenset(_ANCHOR.findall(unicodedata.normalize("NFKC", _NO_ANCHOR.sub(" ", text)).lower()))


def anchor_jaccard(left: Set[str], right: Set[str]) -> float:
    """Share of all anchors of two texts that both have; 1 when neither has any."""
    common = len(left & right)
    union = len(left) + len(right) - common
    return common / union if union else 1.0


def anchor_overlap(left: Set[str], right: Set[str]) -> float:
    """Share of the anchors of the text with fewer of them that the other has too; 1 when it has none.

    Forgives what `anchor_jaccard` does not: one text being a part of the other.
    """
    fewer = min(len(left), len(right))
    return len(left & right) / fewer if fewer else 1.0
