"""How much two texts have in common: the Jaccard index of their character 5-grams."""

from __future__ import annotations

from collections.abc import Set

SHINGLE_CHARACTERS = 5


def shingles(text: str) -> frozenset[str]:
    """The set of character 5-grams of a text without its white space; a shorter text is its own only one."""
    bare = "".join(text.split())
    last = max(len(bare) - SHINGLE_CHARACTERS, 0)
    return frozenset(bare[start : start + SHINGLE_CHARACTERS] for start in range(last + 1))


def jaccard(left: Set[str], right: Set[str]) -> float:
    """|left ∩ right| / |left ∪ right|; 0.0 for two empty sets."""
    common = len(left & right)
    union = len(left) + len(right) - common
    return common / union if union else 0.0
