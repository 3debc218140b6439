"""The report of a cleaning run, drawn from what became of its documents."""

from __future__ import annotations

from itertools import pairwise

from actors.domain_classifier.held_out import HeldOut
from danlu.report import Bars, Check, Report, Scalar, Section, Table
from pipelines.cleaning.config import CleanConfig
from pipelines.cleaning.layout import Layout
from pipelines.cleaning.lookup import find_rows
from pipelines.cleaning.outcome import LENGTHS, STAGES, STEPS, Outcome

_SHOWN_CHARACTERS = 120
_MOST_BARS = 12


def build_report(
    documents: int,
    outcome: Outcome,
    facts: dict[str, Scalar],
    config: CleanConfig,
    layout: Layout,
    held_out: HeldOut | None = None,
) -> Report:
    """The report.

    Args:
        documents: how many were read.
        facts: figures that the stages know.
        held_out: of the domain classifier, when there is one.
    """
    figures: dict[str, Scalar] = {"documents": documents, "kept_documents": outcome.kept}
    figures |= {f"{stage}_dropped_documents": count for stage, count in outcome.by_stage().items()}
    return Report(
        job="clean",
        figures=figures | facts,
        checks=_checks(documents, outcome, config),
        sections=[
            *_corpus_sections(documents, outcome),
            *_domain_sections(outcome, held_out),
            *_example_sections(outcome, layout),
        ],
    )


def _checks(documents: int, outcome: Outcome, config: CleanConfig) -> list[Check]:
    dropped = outcome.dropped.total()
    balance = f"{documents:,} read = {outcome.kept:,} kept + {dropped:,} dropped"
    checks = [Check(name="no document is lost", held=documents == outcome.documents, detail=balance)]
    if outcome.kept:
        return [*checks, Check(name="documents are left", held=True, detail=f"{outcome.kept:,} of {documents:,}")]
    (stage, reason), count = outcome.dropped.most_common(1)[0]
    detail = f"all {documents:,} documents were dropped, {count:,} of them by {stage} ({reason})"
    if reason == "language" and config.filters is not None:
        detail += f"; filters.languages is {config.filters.languages}"
    return [*checks, Check(name="documents are left", held=False, detail=detail)]


def _corpus_sections(documents: int, outcome: Outcome) -> list[Section]:
    left = documents
    funnel: list[tuple[str, float]] = [("read", documents)]
    for stage, count in outcome.by_stage().items():
        left -= count
        funnel.append((f"after {stage}", left))
    reasons: list[list[Scalar]] = [
        [stage, reason, count, f"{count / documents:.1%}"] for (stage, reason), count in outcome.reasons()
    ]
    note = "From what a text looks like, 0 to 1: it orders a corpus roughly and chooses between duplicates."
    return [
        Bars(title="Documents left after each stage", bars=funnel, unit="documents"),
        Table(title="Why documents were dropped", columns=["stage", "reason", "documents", "share"], rows=reasons),
        Bars(
            title="Lengths of the documents that passed the filters",
            bars=_length_bars(outcome.lengths),
            unit="documents",
            note="In characters.",
        ),
        Bars(title="Quality of the kept documents", bars=_share_bars(outcome.qualities), unit="documents", note=note),
    ]


def _domain_sections(outcome: Outcome, held_out: HeldOut | None) -> list[Section]:
    sections: list[Section] = []
    if outcome.domains:
        bars = [(domain, float(count)) for domain, count in outcome.domains.most_common()]
        sections.append(Bars(title="Domains of the kept documents", bars=bars, unit="documents"))
        note = "A score is the probability that the domain is right. Many low ones: these texts fit none of the seeds."
        scores = _share_bars(outcome.domain_scores)
        sections.append(Bars(title="Domain scores of the kept documents", bars=scores, unit="documents", note=note))
    if held_out is not None:
        sections.append(_held_out_table(held_out))
    return sections


def _held_out_table(held_out: HeldOut) -> Table:
    rows: list[list[Scalar]] = [
        [one.domain, round(one.precision, 3), round(one.recall, 3), round(one.f1, 3), one.support]
        for one in held_out.domains
    ]
    note = (
        f"Seeds that were left out of the fit. Macro F1 {held_out.macro_f1:.3f}, accuracy {held_out.accuracy:.3f},"
        f" calibration error {held_out.calibration_error:.3f}. Texts of the corpus are likelier to be mistaken than"
        " seeds."
    )
    columns = ["domain", "precision", "recall", "F1", "seeds"]
    return Table(title="How well the domains are told apart", columns=columns, rows=rows, note=note)


def _example_sections(outcome: Outcome, layout: Layout) -> list[Section]:
    sections: list[Section] = []
    if outcome.pairs:
        sections.append(_pairs_table(outcome, layout))
    if outcome.samples:
        sections.append(_samples_table(outcome))
    return sections


def _length_bars(counts: list[int]) -> list[tuple[str, float]]:
    names = [f"{low:,} to {high - 1:,}" for low, high in pairwise(LENGTHS)]
    bars = zip([*names, f"{LENGTHS[-1]:,} and more"], counts, strict=True)
    return _without_empty_ends([(name, float(count)) for name, count in bars])


def _share_bars(counts: list[int]) -> list[tuple[str, float]]:
    """Bars of the narrowest width with which the range that occurs has at most twelve."""
    for width in (1, 2, 5, 10):
        sums = [float(sum(counts[low : low + width])) for low in range(0, STEPS, width)]
        names = [f"{n * width / STEPS:.2f} to {(n + 1) * width / STEPS:.2f}" for n in range(len(sums))]
        bars = _without_empty_ends(list(zip(names, sums, strict=True)))
        if len(bars) <= _MOST_BARS:
            break
    return bars


def _without_empty_ends(bars: list[tuple[str, float]]) -> list[tuple[str, float]]:
    filled = [place for place, (_, count) in enumerate(bars) if count]
    return bars[filled[0] : filled[-1] + 1] if filled else []


def _samples_table(outcome: Outcome) -> Table:
    rows: list[list[Scalar]] = [
        [stage, reason, row["id"], row["detail"], _shown(row["text"])]
        for (stage, reason), _ in outcome.reasons()
        for row in outcome.samples.get((stage, reason), [])
    ]
    columns = ["stage", "reason", "id", "why", "text"]
    note = "A filter too strict shows here. `danlu explain RUN ID` shows a document whole."
    return Table(title="Samples of what was dropped", columns=columns, rows=rows, note=note)


def _pairs_table(outcome: Outcome, layout: Layout) -> Table:
    pairs = [row for stage in STAGES for row in outcome.pairs.get(stage, [])]
    survivors = find_rows(layout.root, "clean", {row["survivor_id"] for row in pairs})
    texts = {row["id"]: row["text"] for row in survivors}
    rows: list[list[Scalar]] = [
        [row["stage"], f"{row['similarity']:.2f}", row["id"], _shown(row["text"]),
         row["survivor_id"], _shown(texts.get(row["survivor_id"], "(dropped by a later stage)"))]
        for row in pairs
    ]  # fmt: skip
    columns = ["stage", "similarity", "dropped", "its text", "kept in its place", "its text"]
    note = "The least similar of each stage: what is wrongly held to be a duplicate shows here."
    return Table(title="Duplicates side by side", columns=columns, rows=rows, note=note)


def _shown(text: str | None) -> str:
    joined = " ".join((text or "").split())
    return joined if len(joined) <= _SHOWN_CHARACTERS else joined[: _SHOWN_CHARACTERS - 1] + "…"
