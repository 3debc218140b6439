"""What is said about a document."""

from __future__ import annotations

from typing import Any

import pytest

from danlu.errors import InputError
from pipelines.cleaning.explanation import choose_id, explain_dropped, explain_kept, printable

CONFIG = {"filters": {}, "exact": {}, "near": {}, "semantic": None, "domain": None}


def dropped(identifier: str, stage: str, survivor: str | None = None, **more: Any) -> dict[str, Any]:
    row = {"id": identifier, "source": "a.jsonl", "stage": stage, "reason": f"{stage} reason", "detail": None}
    return {**row, "survivor_id": survivor, "similarity": None, "via_id": None, **more}


def results(steps: Any) -> dict[str, str]:
    return {step.stage: step.result for step in steps}


def test_a_chain_is_walked_to_its_end() -> None:
    rows = [dropped("a", "exact", "c", similarity=0.8, via_id="b"), dropped("b", "near", "c", similarity=0.8)]
    found = explain_dropped(rows, "one", True, "two", CONFIG)
    assert [(link.id, link.stage, link.survivor, link.similarity) for link in found.chain] == [
        ("a", "exact", "b", 1.0),
        ("b", "near", "c", 0.8),
    ]
    assert found.texts == (("a (dropped)", "one"), ("c (kept in its place)", "two"))
    assert results(found.steps) == {
        "read": "passed",
        "filters": "passed",
        "exact": "dropped",
        "near": "not reached",
        "semantic": "switched off",
        "domain": "switched off",
    }
    assert found.steps[2].detail == "exact reason of b, similarity 1.00"


def test_a_run_of_an_older_version_has_no_document_between() -> None:
    row = dropped("a", "near", "c", similarity=0.7)
    del row["via_id"]
    assert explain_dropped([row], "one", True, "two", CONFIG).chain[0].survivor == "c"


def test_a_filter_says_its_numbers_and_shows_one_text() -> None:
    found = explain_dropped([dropped("a", "filters", detail="3 characters")], "一二三", True, None, CONFIG)
    assert found.verdict == "dropped by filters: filters reason"
    assert found.steps[1].detail == "3 characters"
    assert [text for _, text in found.texts] == ["一二三"] and not found.chain


def test_what_is_missing_is_said() -> None:
    cut = explain_dropped([dropped("a", "near", "c", similarity=0.7)], "beginning", False, None, CONFIG)
    assert "the beginning" in cut.texts[0][0]
    assert cut.texts[1][1] == "(dropped by a later stage)"
    unread = explain_dropped([dropped("a", "read")], None, True, None, CONFIG)
    assert unread.texts[0][1] == "(no text could be read)"


def test_a_kept_document_names_the_first_of_those_it_stands_for() -> None:
    row = {"id": "k", "source": "s", "text": "文", "quality": 0.5, "domain": "law", "domain_score": 0.8}
    others = [dropped(f"d{n:02}", "near", "k", similarity=0.5 + n / 100) for n in range(25)]
    found = explain_kept(row, others, CONFIG)
    assert found.facts == (("quality", "0.50"), ("domain", "law (score 0.80)"))
    assert found.stands_for_total == 25
    assert [link.id for link in found.stands_for] == [f"d{n:02}" for n in range(24, 4, -1)]
    assert "dropped" not in results(found.steps).values()


def test_the_beginning_of_an_id_is_enough() -> None:
    assert choose_id("raw-1", ["raw-12", "raw-2"]) == "raw-12"


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("raw", r"2 documents have an id that begins so\nFix: the nearest are raw-12, raw-2$"),
        ("-12", r"no document of this run has it\nFix: the nearest are raw-12$"),
        ("rwa-12", r"no document of this run has it\nFix: the nearest are raw-12, raw-2$"),
        ("完全不同", r"no document of this run has it\nFix: clean/ and dropped/ list the ids$"),
    ],
)
def test_an_id_that_is_not_clear_is_refused_with_the_nearest(wanted: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        choose_id(wanted, ["raw-12", "raw-2"])


def test_a_text_cannot_steer_the_terminal() -> None:
    assert printable("\x1b[31m红\n\t\x07。\x85") == "\ufffd[31m红\n\t\ufffd。\ufffd"
