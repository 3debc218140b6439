"""Copies of a document, by kind: what happens to texts on their way through the web. Pure, except for word lists.

Every kind is a function (text, rng) -> text, or None where it does not suit the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random

import opencc

from examples.raw.sentences import read_lines

Kind = Callable[[str, Random], str | None]
_SENTENCE_END = re.compile(r"(?<=[。！？；!?;])|(?<=\.)(?=\s)|(?<=\n)")
_HAN = re.compile(r"[\u4e00-\u9fff]")
_EDITED_SHARE = (0.01, 0.05)
_KEPT_SHARE = (0.5, 0.9)
_FURNITURE_LINES = (2, 6)
_SPACES = (" ", "  ", "\n", "\n\n", "\u3000", "\t", "\u200b")
_WIDTHS = str.maketrans("，！？：；（）", ",!?:;()")
_FILLERS = ("据悉，", "事实上，", "值得注意的是，", "可以看到，", "与此同时，", "具体来看，", "总的来说，", "换言之，")
_FURNITURE = {
    "zh": (
        "首页 > 新闻中心 > {0} > 正文",
        "打开微信“扫一扫”，即可分享到朋友圈",
        "字号：【大】【中】【小】　打印本页",
        "发布时间：2023-0{1}-{2} {3}:{2}　浏览：{4} 次",
        "（责任编辑：{5}）",
        "本文仅代表作者个人观点，不代表本站立场",
        "未经授权，任何媒体和个人不得全部或者部分转载",
        "热门标签：{0} | {6} | 深度 | 图集",
        "网友评论（{4}）　我要评论",
        "关注公众号“{0}早知道”，每天三分钟读懂{6}",
        "Copyright © 2010-2023 {0}网 版权所有 京ICP备{4}号",
        "举报电话：010-8{4}　邮箱：jubao{2}@example.com",
        "下一篇：{7}",
        "相关阅读：{7}",
        "延伸阅读　{7}",
    ),
    "en": (
        "Home > {6} > Article {4}",
        "Share this: Facebook Twitter E-mail Print",
        "Sign up for our weekly newsletter and never miss a story",
        "Copyright 2010-2023 Example Media. All rights reserved.",
        "Posted on 2023-0{1}-{2} at {3}:{2} | {4} views",
        "Leave a reply: your e-mail address will not be published",
        "Related: {7}",
    ),
}
_SECTIONS = {"zh": ("财经", "社会", "国际", "体育", "科技", "教育", "健康"), "en": ("World", "Arts", "Books", "Stage")}


def exact(text: str, rng: Random) -> str:
    """The very same."""
    return text


def whitespace(text: str, rng: Random) -> str:
    """Other white space between and within sentences, and in half of the cases other widths of punctuation."""
    parts = [part + rng.choice(_SPACES) if rng.random() < 0.5 else part for part in split_sentences(text)]
    changed = "".join(parts)
    return changed.translate(_WIDTHS) if rng.random() < 0.5 else changed


def edit(text: str, rng: Random) -> str:
    """One to five in a hundred characters lost, doubled, swapped with the next or replaced by another of the text."""
    characters = list(text)
    for _ in range(max(1, round(len(text) * rng.uniform(*_EDITED_SHARE)))):
        place, kind = rng.randrange(len(characters) - 1), rng.randrange(4)
        if kind == 0:
            del characters[place]
        elif kind == 1:
            characters.insert(place, characters[place])
        elif kind == 2:
            characters[place : place + 2] = reversed(characters[place : place + 2])
        else:
            characters[place] = rng.choice(characters)
    return "".join(characters)


def truncation(text: str, rng: Random) -> str:
    """The first half to nine tenths."""
    return text[: int(len(text) * rng.uniform(*_KEPT_SHARE))]


def boilerplate(text: str, rng: Random) -> str:
    """Two to six lines of a page before and after, one of them maybe with the beginning of another headline."""
    language = language_of(text)
    lines = [_furnish(line, text, rng) for line in rng.sample(_FURNITURE[language], rng.randint(*_FURNITURE_LINES))]
    before = rng.randint(0, len(lines))
    return "\n".join([*lines[:before], text, *lines[before:]])


def shuffle(text: str, rng: Random) -> str | None:
    """The sentences in another order; for a text of at least three."""
    sentences = split_sentences(text)
    order = list(sentences)
    rng.shuffle(order)
    return "".join(order) if len(sentences) >= 3 and order != sentences else None


def traditional(text: str, rng: Random) -> str | None:
    """In traditional characters."""
    changed = _converter("s2t").convert(text)
    return changed if changed != text else None


def paraphrase(text: str, rng: Random) -> str | None:
    """Other words (synonyms, in a third of the cases Taiwan's), fillers, and in half of the cases another order."""
    if language_of(text) != "zh":
        return None
    reworded = _pattern().sub(lambda match: rng.choice(_synonyms()[match[0]]), text)
    if rng.random() < 1 / 3:
        reworded = _converter("t2s").convert(_converter("s2twp").convert(reworded))
    sentences = split_sentences(reworded)
    for place in range(1, len(sentences)):
        if rng.random() < 0.15:
            sentences[place] = rng.choice(_FILLERS) + sentences[place]
    if rng.random() < 0.5:
        middle = sentences[1:]
        rng.shuffle(middle)
        sentences[1:] = middle
    return "".join(sentences)


KINDS: dict[str, Kind] = {
    "exact": exact,
    "whitespace": whitespace,
    "edit": edit,
    "truncation": truncation,
    "boilerplate": boilerplate,
    "shuffle": shuffle,
    "traditional": traditional,
    "paraphrase": paraphrase,
}


def language_of(text: str) -> str:
    """`zh` for a text with Chinese characters, else `en`."""
    return "zh" if _HAN.search(text) else "en"


def split_sentences(text: str) -> list[str]:
    """The sentences with their ends; put together they are the text."""
    return [part for part in _SENTENCE_END.split(text) if part]


def _furnish(line: str, text: str, rng: Random) -> str:
    sections = _SECTIONS[language_of(text)]
    headline = rng.choice(split_sentences(text))[:20].strip()
    return line.format(
        rng.choice(sections),
        rng.randint(1, 9),
        rng.randint(10, 28),
        rng.randint(10, 23),
        rng.randint(1000, 99_999),
        rng.choice("王李张刘陈杨赵周") + rng.choice("明华丽强敏静"),
        rng.choice(sections),
        headline,
    )


@cache
def _synonyms() -> dict[str, tuple[str, ...]]:
    """Each word with those that may stand for it; the list of news words wins."""
    own = (Path(__file__).parent / "news_synonyms.txt").read_text(encoding="utf-8").splitlines()
    rules = [*read_lines("synonyms"), *(line for line in own if line and not line.startswith("#"))]
    pairs = (rule.partition("=") for rule in rules)
    return {word: tuple(others.split("|")) for word, _, others in pairs}


@cache
def _pattern() -> re.Pattern[str]:
    return re.compile("|".join(sorted(map(re.escape, _synonyms()), key=len, reverse=True)))


@cache
def _converter(direction: str) -> opencc.OpenCC:
    return opencc.OpenCC(direction)
