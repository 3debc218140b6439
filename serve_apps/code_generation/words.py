"""Words of a requirement, Chinese and English alike, for comparing texts."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

_PIECES = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[\u4e00-\u9fff]+")
_STOP_WORDS = """
    a an and are as at be by can code could def each every find for from function get give given gives has have how if
    implement in into is it its just lambda let make me method need of on one or other program python return returns
    should so solve some take takes than that the their them then there this to two use using want we which will with
    write you your calculate compute check whether
"""
_STOP_PAIRS = """
    编写 写一 一个 个函 函数 实现 返回 给定 给出 定一 输入 输出 一组 请写 请实 其中 如果 否则 要求 使用 的函 数返
    数判 计算 判断 结果 需要 方法 求出 求一 数求 找出 数计 所有
"""
_UNSEEN = 3.0  # the rarity of a word that no document has: about that of one in ten documents
_STOPPED = frozenset((_STOP_WORDS + _STOP_PAIRS).split())
_SUFFIX = re.compile(r"(?:ations?|ings?|ions?|ies|ied|ers?|es|ed|ly|s|y|e)$")


def tokens(text: str) -> list[str]:
    """English word stems (identifiers are split) and Chinese character pairs, without words that say nothing."""
    found: list[str] = []
    for piece in _PIECES.findall(text):
        if piece[0] >= "\u4e00":
            pairs = [piece[i : i + 2] for i in range(len(piece) - 1)] or [piece]
            found.extend(pair for pair in pairs if pair not in _STOPPED)
        elif piece.lower() not in _STOPPED:
            found.append(stem(piece.lower()))
    return found


def stem(word: str) -> str:
    """A word without its ending: `sorted`, `sorting` and `sorts` become one."""
    suffix = _SUFFIX.search(word, 3)
    root = word[: suffix.start()] if suffix else word
    doubled = suffix is not None and len(root) > 3 and root[-1] == root[-2] and root[-1] not in "ls"
    return root[:-1] if doubled else root


def is_chinese(text: str) -> bool:
    """Whether the text has any Chinese character."""
    return any("\u4e00" <= character <= "\u9fff" for character in text)


class Similarity:
    """TF-IDF cosine between a query and a fixed set of documents."""

    def __init__(self, documents: Sequence[Iterable[str]]) -> None:
        counts = [Counter(document) for document in documents]
        spread = Counter(word for count in counts for word in count)
        self._rarity = {word: math.log((1 + len(counts)) / (1 + documents)) + 1 for word, documents in spread.items()}
        self._vectors = [self._unit(count) for count in counts]

    def scores(self, query: Iterable[str]) -> list[float]:
        """The cosine (0 to 1) of the query with each document, in the order of the documents.

        Pairs of Chinese characters that no document has are left out: most of them lie across the borders of words.
        """
        vector = self._unit(Counter(word for word in query if word in self._rarity or not is_chinese(word)))
        return [sum(weight * document.get(word, 0.0) for word, weight in vector.items()) for document in self._vectors]

    def _unit(self, counts: Mapping[str, int]) -> dict[str, float]:
        weights = {word: (1 + math.log(count)) * self._rarity.get(word, _UNSEEN) for word, count in counts.items()}
        norm = math.sqrt(sum(weight * weight for weight in weights.values())) or 1.0
        return {word: weight / norm for word, weight in weights.items()}
