"""What the filters and the quality score know of a text: counts of its kinds of characters. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipelines.cleaning.advertising import find_advertising
from pipelines.cleaning.characters import Kind, kind_table
from pipelines.cleaning.concatenation import Concatenation
from pipelines.cleaning.minhash import SHINGLE_CHARACTERS

_SENTENCE_ENDS = '。！？!?….；;”"』」）)'
_FUNCTION_WORDS = """
    the of and to in a is that for it on with as was be by are this at from or have an not you we he she they his her
    had were but which one all there will can if has more when who would their what so out up about into than
"""
_ENGLISH_WORDS = frozenset(_FUNCTION_WORDS.split())


@dataclass(frozen=True)
class TextStatistics:
    """Counts over a text. `characters` leaves white space out; every other count is of characters among them.

    common_han: Chinese characters of the 3,755 that GB 2312 lists as the usual ones, or traditional forms of them.
    broken: replacement, private-use, unassigned and control characters.
    symbols: what is neither letter, digit nor usual punctuation.
    repeated_grams: share of the key's character 5-grams that occurred before in the text, 0 to 1.
    repeated_lines: share of characters in lines that occurred before, 0 to 1.
    english_words: share of Latin words that are English function words, 0 to 1.
    advertising: how often each sign of advertising occurs.
    """

    characters: int
    han: int
    common_han: int
    kana: int
    hangul: int
    latin: int
    other_letters: int
    digits: int
    punctuation: int
    symbols: int
    broken: int
    repeated_grams: float
    repeated_lines: float
    english_words: float
    ends_a_sentence: bool
    advertising: Mapping[str, int]

    def share(self, count: int) -> float:
        """`count` as a share of all characters."""
        return count / self.characters if self.characters else 0.0


def measure(text: str, key_characters: int, different_grams: int) -> TextStatistics:
    """Count `text`.

    Args:
        key_characters: length of its comparison key.
        different_grams: character 5-grams of that key, each counted once.
    """
    return measure_all([text], Concatenation.of([text]), [key_characters], [different_grams])[0]


def measure_all(
    texts: Sequence[str], laid: Concatenation, key_characters: Sequence[int], different_grams: Sequence[int]
) -> list[TextStatistics]:
    """`measure` for many texts, which are laid end to end already."""
    counts = laid.count(kind_table()[laid.points], len(Kind)).tolist()
    signs = find_advertising(texts, laid)
    return [_statistics(*each) for each in zip(texts, counts, key_characters, different_grams, signs, strict=True)]


def _statistics(
    text: str, kinds: list[int], key_characters: int, different_grams: int, advertising: Mapping[str, int]
) -> TextStatistics:
    stripped = text.rstrip()
    return TextStatistics(
        characters=sum(kinds) - kinds[Kind.SPACE],
        han=kinds[Kind.COMMON_HAN] + kinds[Kind.RARE_HAN],
        common_han=kinds[Kind.COMMON_HAN],
        kana=kinds[Kind.KANA],
        hangul=kinds[Kind.HANGUL],
        latin=kinds[Kind.LATIN],
        other_letters=kinds[Kind.OTHER_LETTER],
        digits=kinds[Kind.DIGIT],
        punctuation=kinds[Kind.PUNCTUATION],
        symbols=kinds[Kind.SYMBOL],
        broken=kinds[Kind.BROKEN],
        repeated_grams=repeated_gram_share(key_characters, different_grams),
        repeated_lines=repeated_line_share(text),
        english_words=_english_share(text) if kinds[Kind.LATIN] else 0.0,
        ends_a_sentence=bool(stripped) and stripped[-1] in _SENTENCE_ENDS,
        advertising=advertising,
    )


def repeated_gram_share(key_characters: int, different_grams: int) -> float:
    """Share of a key's 5-grams that occurred in it before: 0 for prose, near 1 for a sentence over and over."""
    grams = key_characters - SHINGLE_CHARACTERS + 1
    return 1 - different_grams / grams if grams > 1 else 0.0


def repeated_line_share(text: str) -> float:
    """Share of the characters in lines that occurred before."""
    lines = text.splitlines()
    if len(lines) < 2:
        return 0.0
    lines = [line.strip() for line in lines if line.strip()]
    total = sum(map(len, lines))
    return 1 - sum(map(len, set(lines))) / total if total else 0.0


def _english_share(text: str) -> float:
    words = [word.strip(".,;:!?\"'()").lower() for word in text.split()]
    words = [word for word in words if word.isascii() and word.isalpha()]
    return sum(word in _ENGLISH_WORDS for word in words) / len(words) if words else 0.0
