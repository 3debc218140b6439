from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.cleaning.contestants import Outcome
from benchmarks.cleaning.near_duplicates import score_removals
from benchmarks.cleaning.news import News, Pair, exact_jaccard, groups_of, surplus, surplus_left
from benchmarks.cleaning.peers import recall_and_precision
from benchmarks.cleaning.runs import Dropped
from benchmarks.processes import Cost
from danlu.errors import InputError

PAIRS = [Pair("a", "b", 0.9), Pair("b", "c", 0.75), Pair("c", "d", 0.6), Pair("e", "f", 0.8)]
COST = Cost(1.0, 1.0, 1, 1, 1)


def test_dates_and_punctuation_do_not_count() -> None:
    assert exact_jaccard("2023-07-28 12:29，正文：今天，天气很好。", "，正文：今天天气很好") == 1.0
    assert exact_jaccard("今天天气很好", "abcdefgh") == 0.0


def test_groups_are_what_close_pairs_connect() -> None:
    groups = groups_of(PAIRS, 0.7)
    assert groups == [["a", "b", "c"], ["e", "f"]]
    assert surplus(groups) == 3
    assert surplus_left(groups, {"a"}) == 2
    assert surplus_left(groups, {"a", "c", "f"}) == 0
    assert surplus_left(groups, {"a", "b", "c", "f"}) == 0


def test_documents_are_named_by_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "documents_dup_part_1_part_1.txt").write_text("甲\n\n乙\n", encoding="utf-8")
    row = {"jaccard5": 0.5, "a": ["documents_dup_part_1_part_1", 0], "b": ["documents_dup_part_1_part_1", 2]}
    (tmp_path / "near_duplicate_pairs.jsonl").write_text(json.dumps(row) + "\n")
    news = News(tmp_path)
    first, last = "documents_dup_part_1_part_1.txt#0", "documents_dup_part_1_part_1.txt#2"
    assert list(news.documents(["documents_dup_part_1_part_1"])) == [(first, "甲"), (last, "乙")]
    assert news.pairs() == [Pair(first, last, 0.5)]
    with pytest.raises(InputError, match="DANLU_DATA"):
        News(tmp_path / "nowhere")


def test_a_removal_is_judged_by_its_survivor() -> None:
    texts = {"a": "今天天气很好我们去公园", "b": "今天天气很好我们去公园。", "c": "股市昨天大幅下跌三个点"}
    dropped = [Dropped("b", "near", "near", "a", 1.0), Dropped("c", "near", "near", "a", 0.6)]
    dropped.append(Dropped("d", "filters", "short", None, None))
    (scored,) = score_removals(dropped, texts, 0.5)
    assert (scored.stage, scored.removed, scored.right) == ("near", 2, 1)
    assert scored.wrong == ((dropped[1], 0.0),)


def test_filtered_documents_are_left_out_of_recall() -> None:
    ids = list("abcdefg")
    everything = recall_and_precision(ids, Outcome(COST, None, frozenset("adeg"), frozenset()), PAIRS)
    assert everything == (1.0, 1.0)
    outcome = Outcome(COST, None, frozenset("bcdef"), frozenset("a"))
    assert recall_and_precision(ids, outcome, PAIRS) == (0.0, 0.0)
