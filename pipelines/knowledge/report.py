"""The report of an indexing run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from actors.knowledge_base.knowledge_base import DEPTH
from danlu.report import Bars, Check, Report, Scalar, Table
from pipelines.knowledge.documents import Rejected
from pipelines.knowledge.retrieval import Ranks
from pipelines.knowledge.self_check import SelfCheck, fused_name
from pipelines.knowledge.table import ChunkTable

_SHOWN_ROWS = 30
_MISSED = ["question, own chunk hidden", "its document", "rank of the document"]
_FULL_TEXT = "full text (BM25)"


@dataclass(frozen=True)
class Findings:
    """What the self-retrieval check found, and what was chosen by it."""

    check: SelfCheck
    questions: Sequence[dict[str, Any]]
    dense_weight: float
    threshold: float
    out_of_scope_scores: Sequence[float]


def build(
    facts: Sequence[Mapping[str, int]],
    table: ChunkTable,
    frequencies: Mapping[str, int],
    findings: Findings,
    rejected: Sequence[Rejected],
) -> Report:
    """Figures, checks and sections of a finished run. `facts` are the counts of each group of files."""
    lengths = table.lengths()
    counted = {name: sum(fact[name] for fact in facts) for name in ("documents", "rejected", "chunks", "characters")}
    return Report(
        job="index",
        figures={
            "documents": counted["documents"],
            "rejected_documents": counted["rejected"],
            "chunks": counted["chunks"],
            "characters": counted["characters"],
            "chunk_characters_mean": round(sum(lengths) / len(lengths), 1),
            "chunk_characters_max": max(lengths),
            "terms": len(frequencies),
            "dimensions": table.dimensions,
            "dense_weight": findings.dense_weight,
            "threshold": findings.threshold,
            **_retrieval_figures(findings),
        },
        checks=_checks(counted, table, findings),
        sections=[
            *_retrieval_tables(counted, findings),
            *_missed_table(findings),
            _length_bars(lengths),
            *_rejected_table(rejected),
        ],
    )


def _retrieval_figures(findings: Findings) -> dict[str, Scalar]:
    figures: dict[str, Scalar] = {"questions": len(findings.questions)}
    name = fused_name(findings.dense_weight)
    for label, by_method in (("self", findings.check.indexed), ("held_out", findings.check.held_out)):
        for method, ranks in (("", by_method.get(name)), ("bm25_", by_method.get(_FULL_TEXT))):
            if ranks is not None:
                figures[f"{label}_{method}recall_at_1"] = round(ranks.recall(1), 4)
                figures[f"{label}_{method}recall_at_5"] = round(ranks.recall(5), 4)
    scores = findings.out_of_scope_scores
    if scores:
        passed = sum(score >= findings.threshold for score in scores)
        figures["out_of_scope_questions"] = len(scores)
        figures["out_of_scope_answered_share"] = round(passed / len(scores), 4)
    return figures


def _checks(counted: Mapping[str, int], table: ChunkTable, findings: Findings) -> list[Check]:
    stored, repeated = table.count(), table.repeated_ids()
    checks = [
        Check(
            name="every chunk is in the table once",
            held=stored == counted["chunks"] and repeated == 0,
            detail=f"{counted['chunks']} cut, {stored} stored, {repeated} with an id that another has"
            + (" (set fields.id to a column that is unique over all files)" if repeated else ""),
        )
    ]
    ranks = findings.check.indexed.get(_FULL_TEXT)
    if ranks is not None:
        found = ranks.recall(5)
        checks.append(
            Check(name="questions find their own document", held=found >= 0.9, detail=f"recall@5 {found:.3f} of 0.9")
        )
    return checks


def _retrieval_tables(counted: Mapping[str, int], findings: Findings) -> list[Table]:
    def rows(by_method: Mapping[str, Ranks]) -> list[list[Scalar]]:
        return [
            [name, round(ranks.recall(1), 3), round(ranks.recall(5), 3), round(ranks.reciprocal(), 3)]
            for name, ranks in by_method.items()
        ]

    corpus = f"{len(findings.questions)} questions, {counted['documents']} documents, {counted['chunks']} chunks."
    columns = ["method", "recall@1", "recall@5", "mean reciprocal rank"]
    chosen = f" Dense weight {findings.dense_weight:g} is used."
    return [
        Table(
            title="Own questions, own chunk hidden",
            columns=columns,
            rows=rows(findings.check.held_out),
            note=f"{corpus} The rest of the article has to be found.{chosen}",
        ),
        Table(
            title="Own questions, index as it is",
            columns=columns,
            rows=rows(findings.check.indexed),
            note=corpus + chosen,
        ),
    ]


def _missed_table(findings: Findings) -> list[Table]:
    """The questions whose article does not come first without their own answer: where wording is at odds."""
    ranks = findings.check.held_out.get(fused_name(findings.dense_weight))
    if ranks is None:
        return []
    missed = [(row, rank) for row, rank in zip(findings.questions, ranks.ranks, strict=True) if rank != 1]
    rows: list[list[Scalar]] = [[row["question"], row["document_id"], rank] for row, rank in missed[:_SHOWN_ROWS]]
    note = f"{len(missed)} of {len(findings.questions)}; no rank: not among the first {DEPTH} chunks."
    return [Table(title="Questions that find another document first", columns=_MISSED, rows=rows, note=note)]


def _length_bars(lengths: Sequence[int]) -> Bars:
    width = max(50, -(-max(lengths) // 10 // 50) * 50)
    bins = Counter(length // width for length in lengths)
    bars = [(f"{b * width}-{(b + 1) * width - 1}", float(bins[b])) for b in range(max(bins) + 1)]
    return Bars(title="Chunk lengths", bars=bars, unit="chunks", note="characters")


def _rejected_table(rejected: Sequence[Rejected]) -> list[Table]:
    if not rejected:
        return []
    rows: list[list[Scalar]] = [[entry.id, entry.reason] for entry in rejected[:_SHOWN_ROWS]]
    note = f"{len(rejected)} in all; each is in rejected/*.jsonl."
    return [Table(title="Documents that could not be indexed", columns=["document", "reason"], rows=rows, note=note)]
