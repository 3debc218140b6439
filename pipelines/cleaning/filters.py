"""The filters: each looks at one property of a text and either passes it or says why not. Pure.

They suit Chinese and English; thresholds are the keys of `FilterConfig`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pipelines.cleaning.config import FilterConfig
from pipelines.cleaning.quality import quality
from pipelines.cleaning.statistics import TextStatistics

# What text decoded with the wrong codec turns into.
_RESIDUE = ("锟斤拷", "烫烫烫", "屯屯屯", "ï¿½", "â€", "Ã¤", "Ã¥")
# Latin letters come several to a word, Chinese characters one or two.
_LETTERS_FOR_A_HAN = 4
_ENGLISH_FUNCTION_WORDS = 0.15
_RARE_HAN_SHARE = 0.3


@dataclass(frozen=True)
class Rejection:
    """A filter's name and the number that decided."""

    reason: str
    detail: str


Filter = Callable[[str, TextStatistics, FilterConfig], str | None]


def reject(text: str, statistics: TextStatistics, config: FilterConfig) -> Rejection | None:
    """The first filter that `text` does not pass, or None."""
    for reason, check in FILTERS.items():
        detail = check(text, statistics, config)
        if detail is not None:
            return Rejection(reason, detail)
    return None


def too_short(text: str, statistics: TextStatistics, config: FilterConfig) -> str | None:
    """Too few characters to teach anything."""
    if statistics.characters >= config.min_characters:
        return None
    return f"{statistics.characters} characters, filters.min_characters is {config.min_characters}"


def too_long(text: str, statistics: TextStatistics, config: FilterConfig) -> str | None:
    """A dump rather than a document."""
    if statistics.characters <= config.max_characters:
        return None
    return f"{statistics.characters} characters, filters.max_characters is {config.max_characters}"


def garbled(text: str, statistics: TextStatistics, config: FilterConfig) -> str | None:
    """Text that went through the wrong codec.

    The signs: replacement characters, known residue, and Chinese that consists of rare characters.
    """
    broken = statistics.share(statistics.broken)
    if broken > config.max_broken_share:
        return f"{broken:.1%} broken characters, filters.max_broken_share is {config.max_broken_share:.1%}"
    residue = sum(text.count(mark) * len(mark) for mark in _RESIDUE)
    if statistics.share(residue) > config.max_broken_share:
        return f"{statistics.share(residue):.0%} residue of a wrong codec"
    rare = 1 - statistics.common_han / statistics.han if statistics.han else 0.0
    if rare > _RARE_HAN_SHARE and statistics.han >= config.min_characters:
        return f"{rare:.0%} of the Chinese characters are rare"
    return None


def repetitive(text: str, statistics: TextStatistics, config: FilterConfig) -> str | None:
    """The same words or lines over and over."""
    if statistics.repeated_grams > config.max_repeated_share:
        share = statistics.repeated_grams
        return f"{share:.1%} repeated 5-grams, filters.max_repeated_share is {config.max_repeated_share:.1%}"
    if statistics.repeated_lines > config.max_repeated_share:
        share = statistics.repeated_lines
        return f"{share:.1%} in repeated lines, filters.max_repeated_share is {config.max_repeated_share:.1%}"
    return None


def symbol_heavy(text: str, statistics: TextStatistics, config: FilterConfig) -> str | None:
    """Ornaments, mark-up, tables of figures."""
    symbols = statistics.share(statistics.symbols)
    if symbols > config.max_symbol_share:
        return f"{symbols:.1%} symbols, filters.max_symbol_share is {config.max_symbol_share:.1%}"
    digits = statistics.share(statistics.digits)
    if digits > config.max_digit_share:
        return f"{digits:.1%} digits, filters.max_digit_share is {config.max_digit_share:.1%}"
    return None


def other_language(text: str, statistics: TextStatistics, config: FilterConfig) -> str | None:
    """Neither of the wanted languages."""
    shares = language_shares(statistics)
    if any(shares[language] >= config.min_language_share for language in config.languages):
        return None
    found = ", ".join(f"{language} {share:.0%}" for language, share in shares.items())
    return f"{found}; filters.languages is {list(config.languages)}"


def advertisement(text: str, statistics: TextStatistics, config: FilterConfig) -> str | None:
    """Several different signs of advertising close together."""
    signs = statistics.advertising
    density = 100 * sum(signs.values()) / max(statistics.characters, 1)
    if len(signs) < config.advertising_signs or density < config.advertising_density:
        return None
    return f"{', '.join(signs)}: {density:.1f} signs in 100 characters"


def blocklisted(text: str, statistics: TextStatistics, config: FilterConfig) -> str | None:
    """A word that the config refuses."""
    lowered = text.lower()
    word = next((word for word in config.blocklist if word.lower() in lowered), None)
    return None if word is None else f"{word!r} is in filters.blocklist"


def low_quality(text: str, statistics: TextStatistics, config: FilterConfig) -> str | None:
    """A quality score that is too low."""
    if not config.min_quality:
        return None
    score = quality(statistics)
    return None if score >= config.min_quality else f"{score:.2f}, filters.min_quality is {config.min_quality:.2f}"


def language_shares(statistics: TextStatistics) -> dict[str, float]:
    """How much of the text's letters is Chinese, and how much English: {"zh": 0 to 1, "en": 0 to 1}.

    Japanese has Chinese characters too, but kana beside them; of Latin letters only English has English function words.
    """
    latin = statistics.latin / _LETTERS_FOR_A_HAN
    letters = statistics.han + statistics.kana + statistics.hangul + latin + statistics.other_letters
    if not letters:
        return {"zh": 0.0, "en": 0.0}
    foreign = statistics.kana + statistics.hangul + statistics.other_letters
    chinese = max(statistics.han - 2 * foreign, 0) / letters
    is_english = statistics.english_words >= _ENGLISH_FUNCTION_WORDS
    return {"zh": chinese, "en": latin / letters if is_english else 0.0}


# In the order in which they look: the plainest reason wins.
FILTERS: dict[str, Filter] = {
    "short": too_short,
    "long": too_long,
    "garbled": garbled,
    "symbols": symbol_heavy,
    "repetition": repetitive,
    "language": other_language,
    "advertisement": advertisement,
    "blocklist": blocklisted,
    "quality": low_quality,
}
