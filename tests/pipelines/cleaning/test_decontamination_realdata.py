"""A public reading benchmark against real news: what is planted is found, what is on the same subjects stays."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from pipelines.cleaning.decontamination import Finder, index_keys, weight
from pipelines.cleaning.keys import comparison_key

pytestmark = pytest.mark.realdata
GRAMS, OVERLAP = 13, 0.5


@pytest.fixture(scope="module")
def paragraphs(public_data: Path) -> list[dict[str, object]]:
    content = json.loads((public_data / "cmrc2018" / "cmrc2018_dev.json").read_text(encoding="utf-8"))
    return [paragraph for article in content["data"] for paragraph in article["paragraphs"]]


@pytest.fixture(scope="module")
def news(public_data: Path) -> list[str]:
    file = public_data / "chinese_news" / "documents_dup_part_1_part_1.txt"
    return [comparison_key(line) for line in file.read_text(encoding="utf-8").splitlines()]


def _keys(texts: list[str]) -> list[str]:
    return sorted({key for key in map(comparison_key, texts) if weight(key) >= GRAMS})


def test_news_hold_none_of_its_questions_and_contexts(paragraphs: list[dict[str, object]], news: list[str]) -> None:
    texts = [p["context"] for p in paragraphs] + [q["question"] for p in paragraphs for q in p["qas"]]  # type: ignore
    keys = _keys(texts)
    assert len(keys) > 2000
    finder = Finder(index_keys(keys, GRAMS), OVERLAP)
    assert len(news) > 1500
    assert [key for key in news if finder.find(key) is not None] == []


def test_other_questions_about_the_same_paragraph_stay(paragraphs: list[dict[str, object]]) -> None:
    first = _keys([p["qas"][0]["question"] for p in paragraphs])  # type: ignore[index]
    others = _keys([q["question"] for p in paragraphs for q in p["qas"][1:]])  # type: ignore[index]
    finder = Finder(index_keys(first, GRAMS), OVERLAP)
    held = [key for key in set(others) - set(first) if finder.find(key) is not None]
    assert len(held) <= 0.01 * len(others)


def test_planted_contexts_are_found_in_news_even_when_edited(
    paragraphs: list[dict[str, object]], news: list[str]
) -> None:
    random_ = random.Random(4)
    keys = _keys([p["context"] for p in paragraphs])  # type: ignore[misc]
    finder = Finder(index_keys(keys, GRAMS), OVERLAP)
    documents = []
    for key in keys[:200]:
        edited = "".join(c if random_.random() >= 0.02 else random_.choice("的一是不了") for c in key)
        documents.append(random_.choice(news) + edited + random_.choice(news))
    found = [finder.find(document) for document in documents]
    right = sum(held is not None and held.passage == number for number, held in enumerate(found))
    assert right >= 0.97 * len(documents)
