"""Boilerplate lines by how many documents share them."""

from __future__ import annotations

import numpy as np

from pipelines.cleaning.config import RepeatedLinesConfig
from pipelines.cleaning.repeated_lines import count_documents, document_lines, line_hash, repeated

CONFIG = RepeatedLinesConfig(min_documents=3, max_characters=20)


def test_digits_punctuation_and_case_make_no_difference() -> None:
    assert line_hash("阅读：1024 次") == line_hash("阅读: 98次！")
    assert line_hash("Read more") == line_hash("READ MORE >>")
    assert line_hash("阅读：1024 次") != line_hash("评论：1024 次")
    assert line_hash("——") == line_hash("") == 0


def test_a_document_counts_a_line_once_and_long_lines_not_at_all() -> None:
    long = "这一行太长了，不会是网页上的固定文字，而是正文的一部分。"
    assert document_lines(f"点这里\n点这里！\n{long}\n\n——", CONFIG) == {line_hash("点这里")}
    assert document_lines("点这里", CONFIG) == set()


def test_counts_of_shards_are_added() -> None:
    first, second = np.array([3, 7], dtype=np.uint64), np.array([7, 9], dtype=np.uint64)
    hashes, documents = count_documents([first, second], [np.array([1, 2]), np.array([2, 1])])
    assert hashes.tolist() == [3, 7, 9]
    assert documents.tolist() == [1, 4, 1]
    assert repeated(hashes, documents, CONFIG).tolist() == [7]


def test_no_shards_no_lines() -> None:
    hashes, documents = count_documents([], [])
    assert len(hashes) == len(documents) == 0
