"""The report of a cleaning run, drawn from what the run wrote."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from danlu.report import Bars, Check, Report, Scalar, Section, Table
from pipelines.cleaning import store
from pipelines.cleaning.config import CleanConfig
from pipelines.cleaning.layout import Layout, Shard

_LENGTHS = (0, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)
_SAMPLES, _PAIRS, _SHOWN_CHARACTERS = 3, 4, 120
_STAGES = ("read", "pii", "filters", "decontaminate", "exact", "near", "semantic", "domain")


@dataclass
class Outcome:
    """What clean/ and dropped/ hold, gathered file by file.

    samples: a few dropped rows for each (stage, reason). pairs: a few dropped duplicates for each stage.
    """

    kept: int = 0
    dropped: Counter[tuple[str, str]] = field(default_factory=Counter)
    domains: Counter[str] = field(default_factory=Counter)
    samples: dict[tuple[str, str], list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    pairs: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))

    def by_stage(self) -> dict[str, int]:
        return {stage: sum(n for (s, _), n in self.dropped.items() if s == stage) for stage in _STAGES}


def gather(shards: Sequence[Shard], layout: Layout) -> Outcome:
    """Read the small columns of clean/ and all of dropped/."""
    outcome = Outcome()
    for shard in shards:
        domains = store.read_table(layout.clean(shard.name), ["domain"])["domain"].to_pylist()
        outcome.kept += len(domains)
        outcome.domains.update(domain for domain in domains if domain is not None)
        for row in store.read_table(layout.dropped(shard.name)).to_pylist():
            _note(row, outcome)
    return outcome


def _note(row: dict[str, Any], outcome: Outcome) -> None:
    key = (row["stage"], row["reason"])
    outcome.dropped[key] += 1
    if row["survivor_id"] is None:
        samples = outcome.samples[key]
        if len(samples) < _SAMPLES:
            samples.append(row)
    # Equal texts show nothing; of the rest the least similar ones are worth a look.
    elif row["stage"] != "exact":
        pairs = sorted([*outcome.pairs[row["stage"]], row], key=lambda r: (r["similarity"], r["id"]))
        outcome.pairs[row["stage"]] = pairs[:_PAIRS]


def build_report(
    shards: Sequence[Shard],
    lengths: np.ndarray,
    facts: dict[str, Scalar],
    config: CleanConfig,
    layout: Layout,
) -> Report:
    """The report.

    Args:
        lengths: (n,) characters of the documents that passed the filters.
        facts: figures that the stages know.
    """
    outcome = gather(shards, layout)
    documents = sum(shard.documents for shard in shards)
    by_stage = outcome.by_stage()
    figures: dict[str, Scalar] = {"documents": documents, "kept_documents": outcome.kept}
    figures |= {f"{stage}_dropped_documents": count for stage, count in by_stage.items()}
    return Report(
        job="clean",
        figures=figures | facts,
        checks=_checks(documents, outcome, config),
        sections=_sections(documents, outcome, by_stage, lengths, layout, shards),
    )


def _checks(documents: int, outcome: Outcome, config: CleanConfig) -> list[Check]:
    dropped = outcome.dropped.total()
    balance = f"{documents:,} read = {outcome.kept:,} kept + {dropped:,} dropped"
    checks = [Check(name="no document is lost", held=documents == outcome.kept + dropped, detail=balance)]
    if outcome.kept:
        return [*checks, Check(name="documents are left", held=True, detail=f"{outcome.kept:,} of {documents:,}")]
    (stage, reason), count = outcome.dropped.most_common(1)[0]
    detail = f"all {documents:,} documents were dropped, {count:,} of them by {stage} ({reason})"
    if reason == "language" and config.filters is not None:
        detail += f"; filters.languages is {config.filters.languages}"
    return [*checks, Check(name="documents are left", held=False, detail=detail)]


def _sections(
    documents: int,
    outcome: Outcome,
    by_stage: dict[str, int],
    lengths: np.ndarray,
    layout: Layout,
    shards: Sequence[Shard],
) -> list[Section]:
    left = documents
    funnel: list[tuple[str, float]] = [("read", documents)]
    for stage, count in by_stage.items():
        left -= count
        funnel.append((f"after {stage}", left))
    reasons: list[list[Scalar]] = [
        [stage, reason, count, f"{count / documents:.1%}"] for (stage, reason), count in _ordered(outcome)
    ]
    sections: list[Section] = [
        Bars(title="Documents left after each stage", bars=funnel, unit="documents"),
        Table(title="Why documents were dropped", columns=["stage", "reason", "documents", "share"], rows=reasons),
        Bars(title="Lengths of the documents that passed the filters", bars=_length_bars(lengths), unit="documents"),
    ]
    if outcome.domains:
        bars = [(domain, float(count)) for domain, count in outcome.domains.most_common()]
        sections.append(Bars(title="Domains of the kept documents", bars=bars, unit="documents"))
    if outcome.samples:
        sections.append(_samples_table(outcome))
    if outcome.pairs:
        sections.append(_pairs_table(outcome, layout, shards))
    return sections


def _ordered(outcome: Outcome) -> list[tuple[tuple[str, str], int]]:
    return sorted(outcome.dropped.items(), key=lambda item: (_STAGES.index(item[0][0]), -item[1], item[0][1]))


def _length_bars(lengths: np.ndarray) -> list[tuple[str, float]]:
    counts = np.histogram(lengths, bins=[*_LENGTHS, np.inf])[0]
    names = [f"{low:,} to {high - 1:,}" for low, high in pairwise(_LENGTHS)]
    bars = zip([*names, f"{_LENGTHS[-1]:,} and more"], counts, strict=True)
    return [(name, float(count)) for name, count in bars]


def _samples_table(outcome: Outcome) -> Table:
    rows: list[list[Scalar]] = [
        [stage, reason, row["id"], row["detail"], _shown(row["text"])]
        for (stage, reason), _ in _ordered(outcome)
        for row in outcome.samples.get((stage, reason), [])
    ]
    columns = ["stage", "reason", "id", "why", "text"]
    return Table(
        title="Samples of what was dropped", columns=columns, rows=rows, note="A filter too strict shows here."
    )


def _pairs_table(outcome: Outcome, layout: Layout, shards: Sequence[Shard]) -> Table:
    pairs = [row for stage in _STAGES for row in outcome.pairs.get(stage, [])]
    texts = _find_texts({row["survivor_id"] for row in pairs}, layout, shards)
    rows: list[list[Scalar]] = [
        [row["stage"], round(row["similarity"], 3), f"{row['id']}: {_shown(row['text'])}",
         f"{row['survivor_id']}: {_shown(texts.get(row['survivor_id'], '(dropped by a later stage)'))}"]
        for row in pairs
    ]  # fmt: skip
    columns = ["stage", "similarity", "dropped", "kept in its place"]
    return Table(title="Duplicates side by side", columns=columns, rows=rows, note="The least similar of each stage.")


def _find_texts(ids: set[str], layout: Layout, shards: Sequence[Shard]) -> dict[str, str]:
    """The texts of a few kept documents."""
    found: dict[str, str] = {}
    for shard in shards:
        if ids <= found.keys():
            break
        table = store.read_table(layout.clean(shard.name), ["id", "text"], ids)
        found.update(zip(table["id"].to_pylist(), table["text"].to_pylist(), strict=True))
    return found


def _shown(text: str | None) -> str:
    joined = " ".join((text or "").split())
    return joined if len(joined) <= _SHOWN_CHARACTERS else joined[: _SHOWN_CHARACTERS - 1] + "…"
