"""What became of documents, small enough to be carried around however many there are. Pure.

Every shard has one; merged they are what the report shows. Which samples are kept does not depend on the order.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

# The stages that drop documents, in their order.
STAGES = ("read", "pii", "filters", "decontaminate", "exact", "near", "semantic", "domain")
# Where the bars of the lengths begin, in characters.
LENGTHS = (0, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)
# Qualities and scores are counted in steps of 0.01.
STEPS = 100
_SAMPLES, _PAIRS = 3, 4

Row = dict[str, Any]


@dataclass
class Outcome:
    """Counts, and a few rows of dropped/.

    dropped: documents for each (stage, reason). domains: kept documents of each. lengths: documents that passed the
    filters, by `LENGTHS`. qualities, domain_scores: kept documents, by hundredths. samples: for each (stage, reason)
    the dropped documents whose ids hash smallest. pairs: for each stage the duplicates least like their survivor.
    """

    kept: int = 0
    dropped: Counter[tuple[str, str]] = field(default_factory=Counter)
    domains: Counter[str] = field(default_factory=Counter)
    lengths: list[int] = field(default_factory=lambda: [0] * len(LENGTHS))
    qualities: list[int] = field(default_factory=lambda: [0] * STEPS)
    domain_scores: list[int] = field(default_factory=lambda: [0] * STEPS)
    samples: dict[tuple[str, str], list[Row]] = field(default_factory=lambda: defaultdict(list))
    pairs: dict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))

    @property
    def documents(self) -> int:
        return self.kept + self.dropped.total()

    def by_stage(self) -> dict[str, int]:
        """Dropped documents for each stage; `pii` and `decontaminate` only where they dropped any."""
        counts = {stage: sum(n for (s, _), n in self.dropped.items() if s == stage) for stage in STAGES}
        return {stage: n for stage, n in counts.items() if n or stage not in ("pii", "decontaminate")}

    def reasons(self) -> list[tuple[tuple[str, str], int]]:
        """(stage, reason) and documents: in the order of the stages, the most frequent reason first."""
        return sorted(self.dropped.items(), key=lambda item: (STAGES.index(item[0][0]), -item[1], item[0][1]))

    def note_length(self, characters: int) -> None:
        """A document that passed the filters."""
        self.lengths[sum(characters >= low for low in LENGTHS) - 1] += 1

    def note_kept(self, quality: float, domain: str | None, domain_score: float | None) -> None:
        """A document of clean/."""
        self.kept += 1
        self.qualities[_step(quality)] += 1
        if domain is not None and domain_score is not None:
            self.domains[domain] += 1
            self.domain_scores[_step(domain_score)] += 1

    def note_dropped(self, row: Mapping[str, Any]) -> None:
        """A row of dropped/."""
        key = (row["stage"], row["reason"])
        shown = {name: row.get(name) for name in ("id", "stage", "detail", "survivor_id", "similarity", "text")}
        self.dropped[key] += 1
        if row.get("survivor_id") is None:
            self.samples[key] = _smallest_hashes([*self.samples[key], shown])
        elif row["stage"] != "exact":  # equal texts show nothing
            self.pairs[row["stage"]] = _least_similar([*self.pairs[row["stage"]], shown])

    def merge(self, other: Outcome) -> None:
        """Take in what became of other documents."""
        self.kept += other.kept
        self.dropped.update(other.dropped)
        self.domains.update(other.domains)
        self.lengths = _add(self.lengths, other.lengths)
        self.qualities = _add(self.qualities, other.qualities)
        self.domain_scores = _add(self.domain_scores, other.domain_scores)
        for key, rows in other.samples.items():
            self.samples[key] = _smallest_hashes([*self.samples[key], *rows])
        for stage, rows in other.pairs.items():
            self.pairs[stage] = _least_similar([*self.pairs[stage], *rows])

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, for the marker of a finished stage."""
        dropped = [[*key, count] for key, count in self.dropped.items()]
        samples = [[*key, rows] for key, rows in self.samples.items()]
        return {**vars(self), "dropped": dropped, "samples": samples}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """What `to_dict` made."""
        outcome = cls(**{**values, "domains": Counter(values["domains"])})
        outcome.dropped = Counter({(stage, reason): count for stage, reason, count in values["dropped"]})
        outcome.samples = defaultdict(list, {(stage, reason): rows for stage, reason, rows in values["samples"]})
        outcome.pairs = defaultdict(list, values["pairs"])
        return outcome


def _smallest_hashes(rows: list[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (hashlib.blake2b(row["id"].encode(), digest_size=8).digest(), row["id"]))[
        :_SAMPLES
    ]


def _least_similar(rows: list[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (row["similarity"], row["id"]))[:_PAIRS]


def _step(share: float) -> int:
    return min(int(share * STEPS + 1e-3), STEPS - 1)  # 0.95 as float32 is a little less


def _add(left: list[int], right: list[int]) -> list[int]:
    return [a + b for a, b in zip(left, right, strict=True)]
