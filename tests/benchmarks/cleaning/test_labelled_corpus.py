from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from benchmarks.cleaning.labelled_corpus import ORIGINAL, build_corpus, drop_related, write_corpus

ORIGINALS = [
    f"第{number}份通报说，{place}的居民可以在{number + 3}月前办理手续。工作人员介绍，需要带上证件。窗口周末不休息。"
    for number, place in enumerate(["东城", "西城", "南岸", "北坡", "河口", "山前", "桥头", "岭后"] * 5)
]


def test_the_same_seed_makes_the_same_corpus() -> None:
    assert build_corpus(ORIGINALS, 4) == build_corpus(ORIGINALS, 4)
    assert build_corpus(ORIGINALS, 4) != build_corpus(ORIGINALS, 5)


def test_every_original_is_there_once_and_every_copy_names_one() -> None:
    documents = build_corpus(ORIGINALS, 1, copied_share=0.6)
    by_id = {one.id: one for one in documents}
    assert len(by_id) == len(documents)
    assert sorted(one.text for one in documents if one.kind == ORIGINAL) == sorted(ORIGINALS)
    assert all(by_id[one.origin].kind == ORIGINAL for one in documents)
    copies = Counter(one.origin for one in documents if one.kind != ORIGINAL)
    assert 0.3 * len(ORIGINALS) < len(copies) < 0.9 * len(ORIGINALS)
    assert max(copies.values()) <= 3


def test_ids_do_not_tell_originals_from_copies() -> None:
    documents = build_corpus(ORIGINALS, 2)
    kinds = [one.kind == ORIGINAL for one in sorted(documents, key=lambda one: one.id)]
    assert kinds != sorted(kinds)
    assert kinds != sorted(kinds, reverse=True)


def test_texts_that_share_much_are_dropped_both() -> None:
    unlike = ["春天的山里开满了杜鹃花，孩子们在溪边捡石头，老人坐在门口晒太阳，远处传来牛铃声。" * 2,
              "公司昨天发布了新的季度财报，营业收入低于预期，股价盘后下跌，分析师下调了评级和目标价。" * 2]  # fmt: skip
    assert drop_related(unlike) == unlike
    assert drop_related([*unlike, unlike[0][:50] + "后来下起了雨，大家都跑回屋里去了。"]) == [unlike[1]]


def test_the_corpus_does_not_hold_the_truth(tmp_path: Path) -> None:
    documents = build_corpus(ORIGINALS[:5], 0)
    corpus = write_corpus(documents, tmp_path / "made")
    rows = [json.loads(line) for line in corpus.read_text(encoding="utf-8").splitlines()]
    assert [row["id"] for row in rows] == [one.id for one in documents]
    assert {key for row in rows for key in row} == {"id", "text"}
    assert len((tmp_path / "made" / "truth.jsonl").read_text(encoding="utf-8").splitlines()) == len(documents)
