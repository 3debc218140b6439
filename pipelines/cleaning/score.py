"""How well a run did on a corpus whose truth is known."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import fsspec

from danlu.errors import InputError
from pipelines.cleaning import store

_KEPT = "keep"


def score_against_truth(run_uri: str, truth_path: str) -> dict[str, Any]:
    """Precision and recall of what a cleaning run dropped.

    The truth is jsonl with `id`, `expected` (keep | drop) and, for what is to be dropped, `reason` and, for
    duplicates, `survivor_of` (the original's id). An original and its duplicates form a group of which one is to be
    left, whichever: only dropping the last one is wrong, and only each one left besides the first is missed.

    Returns:
        precision, recall: of dropped documents, 0 to 1. wrongly_dropped, missed: their ids.
        recall_by_reason, documents_by_reason: by the truth's reason. dropped_by_stage: what the run dropped, by stage.

    Raises:
        InputError: truth and run are not about the same documents.
    """
    truth = {row["id"]: row for row in _read_jsonl(truth_path)}
    stage_of = _stages(run_uri)
    if stage_of.keys() != truth.keys():
        odd = sorted(stage_of.keys() ^ truth.keys())
        raise InputError(
            f"truth {truth_path!r}", rule=f"{len(odd)} ids are in the truth or in the run only, as {odd[0]}"
        )
    dropped = {identifier for identifier, stage in stage_of.items() if stage != _KEPT}
    wrong = wrongly_dropped(truth, dropped)
    missed = missed_documents(truth, dropped)
    by_reason = Counter(row["reason"] for row in truth.values() if row["expected"] == "drop")
    missed_by_reason = Counter(truth[identifier].get("reason", "") for identifier in missed)
    return {
        "precision": 1 - len(wrong) / len(dropped) if dropped else 1.0,
        "recall": 1 - len(missed) / by_reason.total() if by_reason else 1.0,
        "recall_by_reason": {r: 1 - missed_by_reason[r] / n for r, n in sorted(by_reason.items())},
        "documents_by_reason": dict(sorted(by_reason.items())),
        "dropped_by_stage": dict(sorted(Counter(stage_of[identifier] for identifier in dropped).items())),
        "wrongly_dropped": sorted(wrong),
        "missed": sorted(missed),
    }


def wrongly_dropped(truth: Mapping[str, Mapping[str, str]], dropped: set[str]) -> set[str]:
    """Originals that were dropped although no document of their group is left."""
    groups = _groups(truth)
    return {original for original, members in groups.items() if members <= dropped}


def missed_documents(truth: Mapping[str, Mapping[str, str]], dropped: set[str]) -> set[str]:
    """Documents that should have gone: rubbish that is left, and duplicates left besides another of their group."""
    rubbish = {i for i, row in truth.items() if row["expected"] == "drop" and "survivor_of" not in row}
    missed = rubbish - dropped
    for original, members in _groups(truth).items():
        left = members - dropped
        missed |= left - {original if original in left else min(left)} if left else set()
    return missed


def _groups(truth: Mapping[str, Mapping[str, str]]) -> dict[str, set[str]]:
    """Every original with its duplicates."""
    groups: dict[str, set[str]] = defaultdict(set)
    for identifier, row in truth.items():
        if row["expected"] == _KEPT:
            groups[identifier].add(identifier)
        elif "survivor_of" in row:
            groups[row["survivor_of"]].add(identifier)
    return dict(groups)


def _stages(run_uri: str) -> dict[str, str]:
    """{id: the stage that dropped it, or `keep`}."""
    stages: dict[str, str] = {}
    for uri in store.part_files(run_uri, "clean"):
        stages.update((i, _KEPT) for i in store.read_table(uri, ["id"])["id"].to_pylist())
    for uri in store.part_files(run_uri, "dropped"):
        table = store.read_table(uri, ["id", "stage"])
        stages.update(zip(table["id"].to_pylist(), table["stage"].to_pylist(), strict=True))
    return stages


def _read_jsonl(path: str) -> Iterable[dict[str, Any]]:
    with fsspec.open(path, "rt", encoding="utf-8") as stream:
        yield from (json.loads(line) for line in stream if line.strip())
