"""Write what is kept and what is dropped, shard by shard.

A dropped document keeps the first 200 characters of its text; the whole of it lies in `_work/texts` as long as `_work/`
is there, and `danlu explain` shows it. `via_id` names the document it was compared to where that was dropped as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from danlu.progress import Progress
from danlu.run_directory import RunDirectory
from pipelines.cleaning import store
from pipelines.cleaning.config import CleanConfig, DomainConfig
from pipelines.cleaning.layout import Layout, Shard
from pipelines.cleaning.numbers import by_shard, rows_of
from pipelines.cleaning.outcome import Outcome
from pipelines.cleaning.spread import spread
from pipelines.cleaning.stages.domains import DomainModel
from pipelines.cleaning.stages.vectors import read_vectors
from pipelines.cleaning.survivors import Removal, follow

CLEAN = pa.schema(
    [
        ("id", pa.string()),
        ("text", pa.string()),
        ("source", pa.string()),
        ("domain", pa.string()),
        ("domain_score", pa.float32()),
        ("quality", pa.float32()),
    ]
)
DROPPED = pa.schema(
    [
        ("id", pa.string()),
        ("source", pa.string()),
        ("stage", pa.string()),
        ("reason", pa.string()),
        ("detail", pa.string()),
        ("survivor_id", pa.string()),
        ("similarity", pa.float32()),
        ("via_id", pa.string()),
        ("text", pa.string()),
    ]
)
REASONS = {"exact": "exact duplicate", "near": "near duplicate", "semantic": "semantic duplicate"}
SAMPLE_CHARACTERS = 200


@dataclass(frozen=True)
class ShardPlan:
    """What to do with the documents of a shard that passed the filters.

    duplicates: {row: (stage, survivor id, similarity, id of the document between them or None)}.
    """

    shard: str
    duplicates: Mapping[int, tuple[str, str, float, str | None]]


def write_output(
    shards: Sequence[Shard],
    removals: Mapping[str, Sequence[Removal]],
    model: DomainModel | None,
    config: CleanConfig,
    run: RunDirectory,
    progress: Progress,
) -> Outcome:
    """Write `clean/` and `dropped/`. Every document that was read is in exactly one of them.

    Args:
        removals: what each duplicate stage dropped, by stage.
    """
    done = run.done("output")
    if done is not None:
        return Outcome.from_dict(done["outcome"])
    outcome = Outcome()
    work = WriteShard(Layout(run.uri), model, config.domain)
    with progress.stage("write", sum(shard.documents for shard in shards), "documents") as stage:
        for part in spread(work, plan_output(shards, removals), config.workers):
            outcome.merge(part)
            stage.advance(part.documents)
    run.mark_done("output", outcome=outcome.to_dict())
    return outcome


def plan_output(shards: Sequence[Shard], removals: Mapping[str, Sequence[Removal]]) -> list[ShardPlan]:
    """A plan for each shard; survivors are followed to the document that stands there in the end."""
    stage_of = {removal.number: stage for stage, dropped in removals.items() for removal in dropped}
    direct = {removal.number: removal for dropped in removals.values() for removal in dropped}
    followed = {removal.number: removal for removal in follow(list(direct.values()))}
    duplicates: dict[str, dict[int, tuple[str, str, float, str | None]]] = {shard.name: {} for shard in shards}
    for place, numbers in by_shard(np.array(list(followed), dtype=np.int64)):
        for number, row in zip(numbers.tolist(), rows_of(numbers).tolist(), strict=True):
            end, first = followed[number], direct[number]
            via = None if first.survivor == end.survivor else first.survivor_id
            duplicates[shards[place].name][row] = (stage_of[number], end.survivor_id, end.similarity, via)
    return [ShardPlan(shard.name, duplicates[shard.name]) for shard in shards]


@dataclass(frozen=True)
class WriteShard:
    """Sorts the documents of a shard into kept and dropped, in the order in which they were read.

    Returns what the report needs to know of them.
    """

    layout: Layout
    model: DomainModel | None
    domain: DomainConfig | None

    def __call__(self, plan: ShardPlan) -> Outcome:
        rows = store.read_table(
            self.layout.texts(plan.shard), ["id", "source", "text", "stage", "reason", "detail", "quality", "length"]
        ).to_pylist()
        domains = self._domains(plan, rows)
        outcome = Outcome()
        kept: list[dict[str, Any]] = []
        dropped: list[dict[str, Any]] = []
        for place, row in enumerate(rows):
            verdict = self._verdict(place, row, plan, domains)
            if row["stage"] is None:
                outcome.note_length(row["length"])
            if verdict is None:
                domain, score = domains.get(place, (None, None))
                kept.append({**row, "domain": domain, "domain_score": score})
                outcome.note_kept(row["quality"], domain, score)
            else:
                dropped.append({**row, **verdict, "text": (row["text"] or "")[:SAMPLE_CHARACTERS]})
                outcome.note_dropped(dropped[-1])
        store.write_table(self.layout.clean(plan.shard), pa.Table.from_pylist(kept, CLEAN))
        store.write_table(self.layout.dropped(plan.shard), pa.Table.from_pylist(dropped, DROPPED))
        return outcome

    def _domains(self, plan: ShardPlan, rows: Sequence[Mapping[str, Any]]) -> dict[int, tuple[str, float]]:
        """{row: (domain, score)} of the documents that are left."""
        if self.model is None or self.domain is None:
            return {}
        left = [place for place, row in enumerate(rows) if row["stage"] is None and place not in plan.duplicates]
        if self.model.terms is not None:
            points = self.model.encode([rows[place]["text"] for place in left])
        else:
            embedded, vectors = read_vectors(self.layout, plan.shard)
            points = vectors[np.searchsorted(embedded, np.array(left, dtype=np.int64))]
        names, scores = self.model.classifier.classify(points, self.domain.min_score)
        return dict(zip(left, zip(names, scores.tolist(), strict=True), strict=True))

    def _verdict(
        self, place: int, row: Mapping[str, Any], plan: ShardPlan, domains: Mapping[int, tuple[str, float]]
    ) -> dict[str, Any] | None:
        """Why a document is dropped, or None."""
        if row["stage"] is not None:
            return {"stage": row["stage"], "reason": row["reason"], "detail": row["detail"]}
        if place in plan.duplicates:
            stage, survivor, similarity, via = plan.duplicates[place]
            found = {"survivor_id": survivor, "similarity": similarity, "via_id": via}
            return {"stage": stage, "reason": REASONS[stage], **found}
        if self.domain is None or self.domain.keep == "all" or domains[place][0] in self.domain.keep:
            return None
        detail = f"{domains[place][0]} ({domains[place][1]:.0%}), domain.keep is {self.domain.keep}"
        return {"stage": "domain", "reason": "other domain", "detail": detail}
