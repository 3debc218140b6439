"""The knowledge articles: their form, and that what they answer is what they say."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path

import pytest

from examples.raw.similarity import jaccard, shingles

_PAIR = re.compile(r"\*\*问：\*\* (.+)\n\*\*答：\*\* (.+)")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_HEADING = "## 常见问题"


@pytest.fixture(scope="module")
def articles(examples: Path) -> dict[str, str]:
    """The articles by id."""
    return {path.stem: path.read_text(encoding="utf-8") for path in (examples / "knowledge").glob("*.md")}


def _parts(article: str) -> tuple[str, str, list[tuple[str, str]]]:
    """Title, body and (question, answer) pairs."""
    body, _, questions = article.partition(_HEADING)
    title, _, text = body.partition("\n")
    return title, text.strip(), _PAIR.findall(questions)


def test_there_are_ninety_articles_of_both_companies(articles: dict[str, str]) -> None:
    assert len(articles) >= 90
    assert all(re.fullmatch(r"(bank|mobile)-[a-z0-9]+(-[a-z0-9]+)*", name) for name in articles)
    assert min(sum(name.startswith(company) for name in articles) for company in ("bank", "mobile")) >= 40


def test_every_article_has_the_form(articles: dict[str, str]) -> None:
    for name, article in articles.items():
        title, body, pairs = _parts(article)
        assert re.fullmatch(r"# \S.*", title), name
        assert 150 <= len("".join(body.split())) <= 500, name
        assert article.count(_HEADING) == 1 and 1 <= len(pairs) <= 3, name
        assert article.count("**问：**") == article.count("**答：**") == len(pairs), name


def test_questions_and_titles_are_unique(articles: dict[str, str]) -> None:
    parts = [_parts(article) for article in articles.values()]
    questions = [question for _, _, pairs in parts for question, _ in pairs]
    assert 130 <= len(questions) <= 170
    assert len(set(questions)) == len(questions)
    assert len({title for title, _, _ in parts}) == len(parts)
    assert all(question.endswith("？") for question in questions)


def test_answers_are_short_and_hold_only_figures_of_their_article(articles: dict[str, str]) -> None:
    for name, article in articles.items():
        _, body, pairs = _parts(article)
        for question, answer in pairs:
            assert 20 <= len(answer) <= 60, (name, answer)
            unknown = set(_NUMBER.findall(answer)) - set(_NUMBER.findall(body + question))
            assert not unknown, (name, answer, unknown)


def test_hotlines_are_the_fictional_ones(articles: dict[str, str]) -> None:
    for name, article in articles.items():
        own, other = ("95971", "95972") if name.startswith("bank") else ("95972", "95971")
        assert set(re.findall(r"\b95\d{3}\b", article)) <= {own}, (name, other)


def test_no_two_articles_or_questions_are_near_duplicates(articles: dict[str, str]) -> None:
    bodies = {name: shingles(_parts(article)[1]) for name, article in articles.items()}
    for (left, ours), (right, theirs) in combinations(bodies.items(), 2):
        assert jaccard(ours, theirs) < 0.15, (left, right)
    questions = [question for article in articles.values() for question, _ in _parts(article)[2]]
    for one, another in combinations(questions, 2):
        assert jaccard(shingles(one), shingles(another)) < 0.5, (one, another)
