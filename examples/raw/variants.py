"""Duplicates that are not identical: near duplicates (small edits) and paraphrases (other words, other order)."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from random import Random

from examples.raw.disguises import split_sentences
from examples.raw.sentences import read_lines
from examples.raw.similarity import jaccard, shingles

NEAR_SIMILARITY = (0.5, 0.98)  # 5-gram Jaccard of a near duplicate and its original
PARAPHRASE_SIMILARITY = (0.15, 0.6)
_FILLERS = ("其实", "当然", "另外", "一般来说，", "值得一提的是，", "总的来看，")
_FRAMES = ("{}以上内容仅供参考。", "据了解，{}", "【转载】{}", "{}（完）", "网友分享：{}", "{}欢迎留言交流。")
_HAN = re.compile(r"[\u4e00-\u9fff]")
_SHUFFLED_SHARE = 0.8


def near_duplicate(text: str, rng: Random) -> str | None:
    """The text with small edits, or None when the edits changed it too much or not at all."""
    edit: Callable[[str, Random], str] = rng.choice([_truncate, _mistype, _pad, _frame, _omit])
    return _within(text, edit(text, rng), NEAR_SIMILARITY)


def paraphrase(text: str, rng: Random) -> str | None:
    """The text in other words and in another order, or None when it stayed too close or went too far."""
    reworded = _pattern().sub(lambda match: rng.choice(_synonyms()[match[0]]), text)
    sentences = split_sentences(reworded.replace("\n", ""))
    if len(sentences) > 2 and rng.random() < _SHUFFLED_SHARE:
        middle = sentences[1:]
        rng.shuffle(middle)
        sentences[1:] = middle
    return _within(text, "".join(sentences), PARAPHRASE_SIMILARITY)


def _within(text: str, variant: str, limits: tuple[float, float]) -> str | None:
    low, high = limits
    return variant if low <= jaccard(shingles(text), shingles(variant)) <= high else None


def _truncate(text: str, rng: Random) -> str:
    return text[: int(len(text) * rng.uniform(0.65, 0.9))]


def _mistype(text: str, rng: Random) -> str:
    """Two to five characters doubled, lost or swapped with the next one."""
    characters = list(text)
    for _ in range(rng.randint(2, 5)):
        place = rng.randrange(len(characters) - 1)
        kind = rng.randrange(3)
        if kind == 0:
            characters.insert(place, characters[place])
        elif kind == 1 and _HAN.match(characters[place]):
            del characters[place]
        else:
            characters[place], characters[place + 1] = characters[place + 1], characters[place]
    return "".join(characters)


def _pad(text: str, rng: Random) -> str:
    """One to three filler words before sentences."""
    sentences = split_sentences(text)
    for place in rng.sample(range(len(sentences)), min(rng.randint(1, 3), len(sentences))):
        sentences[place] = rng.choice(_FILLERS) + sentences[place].lstrip("\n")
    return "".join(sentences)


def _frame(text: str, rng: Random) -> str:
    return rng.choice(_FRAMES).format(text)


def _omit(text: str, rng: Random) -> str:
    """One sentence left out."""
    sentences = split_sentences(text)
    del sentences[rng.randrange(len(sentences))]
    return "".join(sentences)


@cache
def _synonyms() -> dict[str, tuple[str, ...]]:
    """Each word of the rule list with those that may stand for it."""
    rules = (line.partition("=") for line in read_lines("synonyms"))
    return {word: tuple(others.split("|")) for word, _, others in rules}


@cache
def _pattern() -> re.Pattern[str]:
    return re.compile("|".join(sorted(map(re.escape, _synonyms()), key=len, reverse=True)))
