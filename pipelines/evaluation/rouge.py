"""ROUGE-L (Lin, "ROUGE: A Package for Automatic Evaluation of Summaries", 2004) for Chinese and mixed text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Hashable, Sequence

# A run of Latin letters or digits is one token, as is any other letter alone: Chinese is compared by characters.
_TOKEN = re.compile(r"[a-z0-9]+|[^\W_]")


def tokens(text: str) -> list[str]:
    """What is compared: without case, width, spaces and punctuation (`５９元！` is `59`, `元`)."""
    return _TOKEN.findall(unicodedata.normalize("NFKC", text).casefold())


def lcs_length(first: Sequence[Hashable], second: Sequence[Hashable]) -> int:
    """Length of the longest common subsequence.

    Bit-parallel (Hyyrö, "Bit-parallel LCS-length computation revisited", 2004): one addition of `len(first)`-bit
    numbers for each item of `second`; the zeros that remain are the answer.
    """
    where: dict[Hashable, int] = {}
    for position, item in enumerate(first):
        where[item] = where.get(item, 0) | 1 << position
    ones = (1 << len(first)) - 1
    row = ones
    for item in second:
        matches = row & where.get(item, 0)
        row = (row + matches | row - matches) & ones
    return len(first) - row.bit_count()


def rouge_l(reference: str, answer: str) -> float:
    """F-measure of precision and recall, in 0..1; two texts without any token are 1, one without is 0."""
    expected, given = tokens(reference), tokens(answer)
    if not expected or not given:
        return float(expected == given)
    # 2PR/(P+R) with P = lcs/len(given) and R = lcs/len(expected)
    return 2 * lcs_length(expected, given) / (len(expected) + len(given))


def exact_match(reference: str, answer: str) -> bool:
    """Whether both have the same tokens in the same order."""
    return tokens(reference) == tokens(answer)
