"""Scoring against a truth, where any one document of a group may be the one that is left."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from danlu.errors import InputError
from pipelines.cleaning.score import missed_documents, score_against_truth, wrongly_dropped

TRUTH = {
    "o": {"expected": "keep"},
    "o1": {"expected": "drop", "reason": "near", "survivor_of": "o"},
    "o2": {"expected": "drop", "reason": "exact", "survivor_of": "o"},
    "p": {"expected": "keep"},
    "r": {"expected": "drop", "reason": "short"},
}


@pytest.mark.parametrize(
    ("dropped", "wrong", "missed"),
    [
        ({"o1", "o2", "r"}, set(), set()),
        ({"o", "o2", "r"}, set(), set()),
        ({"o", "o1", "o2", "r"}, {"o"}, set()),
        ({"o2"}, set(), {"o1", "r"}),
        ({"o", "r"}, set(), {"o2"}),
        ({"p", "o1", "o2", "r"}, {"p"}, set()),
        (set(), set(), {"o1", "o2", "r"}),
    ],
)
def test_wrong_and_missed(dropped: set[str], wrong: set[str], missed: set[str]) -> None:
    assert wrongly_dropped(TRUTH, dropped) == wrong
    assert missed_documents(TRUTH, dropped) == missed


def _write_run(root: Path, kept: list[str], dropped: dict[str, str]) -> None:
    for folder, table in (
        ("clean", pa.table({"id": pa.array(kept, pa.string())})),
        ("dropped", pa.table({"id": list(dropped), "stage": list(dropped.values())})),
    ):
        (root / folder).mkdir(parents=True)
        pq.write_table(table, root / folder / "part-0.parquet")


def test_the_figures_of_a_run(tmp_path: Path) -> None:
    truth = tmp_path / "truth.jsonl"
    truth.write_text("".join(json.dumps({"id": i, **row}) + "\n" for i, row in TRUTH.items()))
    _write_run(tmp_path / "run", ["o", "o1", "r"], {"o2": "exact", "p": "filters"})
    score = score_against_truth(str(tmp_path / "run"), str(truth))
    assert score["precision"] == 0.5
    assert score["recall"] == pytest.approx(1 / 3)
    assert score["recall_by_reason"] == {"exact": 1.0, "near": 0.0, "short": 0.0}
    assert score["dropped_by_stage"] == {"exact": 1, "filters": 1}
    assert (score["wrongly_dropped"], score["missed"]) == (["p"], ["o1", "r"])


def test_a_truth_about_other_documents_is_refused(tmp_path: Path) -> None:
    truth = tmp_path / "truth.jsonl"
    truth.write_text('{"id": "other", "expected": "keep"}\n')
    _write_run(tmp_path / "run", ["o"], {"p": "near"})
    with pytest.raises(InputError, match="3 ids"):
        score_against_truth(str(tmp_path / "run"), str(truth))
