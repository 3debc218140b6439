"""A quality score from what a text looks like, 0 to 1. Pure.

It ranks duplicates of one document and orders a corpus roughly. It does not know whether a text is true or useful.
"""

from __future__ import annotations

import math

from pipelines.cleaning.statistics import TextStatistics

_FULL_LENGTH = 1000
_USUAL_PUNCTUATION = (0.04, 0.2)
_WEIGHTS = {"length": 2, "prose": 2, "clarity": 2, "variety": 2, "sincerity": 1, "whole": 1}


def quality(statistics: TextStatistics) -> float:
    """The weighted mean of six signs, rounded to 0.01 so that noise in one of them does not choose a survivor."""
    if not statistics.characters:
        return 0.0
    signs = _signs(statistics)
    total = sum(weight * signs[name] for name, weight in _WEIGHTS.items())
    return round(total / sum(_WEIGHTS.values()), 2)


def _signs(statistics: TextStatistics) -> dict[str, float]:
    advertising = sum(statistics.advertising.values())
    return {
        "length": min(math.log1p(statistics.characters) / math.log1p(_FULL_LENGTH), 1.0),
        "prose": _punctuation_fit(statistics.share(statistics.punctuation)),
        "clarity": 1 - min(statistics.share(statistics.symbols + statistics.digits + 3 * statistics.broken), 1.0),
        "variety": 1 - max(statistics.repeated_grams, statistics.repeated_lines),
        "sincerity": 1 / (1 + 100 * advertising / max(statistics.characters, 1)),
        "whole": 1.0 if statistics.ends_a_sentence else 0.0,
    }


def _punctuation_fit(share: float) -> float:
    """1 for the punctuation of prose; less for a bare list of words and for a text chopped to pieces."""
    low, high = _USUAL_PUNCTUATION
    if share < low:
        return share / low
    return 1.0 if share <= high else max(0.0, 1 - (share - high) / high)
