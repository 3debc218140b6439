"""From text to search terms: characters and their bigrams for Chinese, whole words for Latin letters and digits.

Chinese is written without spaces, and word segmenters disagree with themselves between a question and its answer.
Characters with overlapping bigrams have neither problem and are the usual strong baseline of Chinese retrieval
(Nie, Gao, Zhang and Zhou, "On the use of words and n-grams for Chinese information retrieval", 2000).
"""

from __future__ import annotations

import re
import unicodedata

_CHINESE = r"\u3007\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff"
_RUNS = re.compile(rf"(?P<chinese>[{_CHINESE}]+)|[a-z0-9]+|[^\W_a-z0-9{_CHINESE}]+")

# What people say around a question in every question, and the words that make it one: they carry nothing that could
# be looked up, and being rare in written articles they would weigh as much as the subject itself.
_FILLERS = re.compile(
    r"请问|麻烦|你好|您好|想问一?下?|问一?下|咨询一?下?|了解一?下?|想知道|告诉我|帮我查?|查一?下|一下|我想|我的|你的|你们|咱们|我们|"
    r"多少钱|多少|怎么样|怎么办(?!理)|怎么|怎样|如何|什么时候|什么|为什么|为啥|多久|几点|几天|几个|哪里|哪儿|哪些|哪个|"
    r"能不能|可不可以|可以|需不需要|需要|有没有|是不是|会不会|要不要|行不行|[吗呢啊呀吧哦嘛]"
)


def normalized(text: str) -> str:
    """Full-width forms become half-width, capitals small: `ＡＴＭ` and `atm` are one word."""
    return unicodedata.normalize("NFKC", text).lower()


def search_terms(text: str) -> list[str]:
    """The terms of a text in order of appearance, repetitions kept.

    A run of Chinese characters gives its characters and its bigrams; a run of Latin letters and digits, or of another
    script, gives itself. Punctuation and spaces only separate.
    """
    terms: list[str] = []
    for match in _RUNS.finditer(normalized(text)):
        run = match.group()
        if match["chinese"]:
            terms.extend(run)
            terms.extend(run[i : i + 2] for i in range(len(run) - 1))
        else:
            terms.append(run)
    return terms


def question_terms(question: str) -> list[str]:
    """The terms of a question without fillers and question words; with them when nothing else is left."""
    return search_terms(_FILLERS.sub(" ", normalized(question))) or search_terms(question)
