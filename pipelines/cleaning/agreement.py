"""Whether two texts that share much of their wording state the same facts. Pure.

A form letter (the notices of two companies, the forecasts of two days) keeps its sentences and changes the numbers and
names in them. A retelling does the opposite. So what stands in the same surroundings in both texts is compared: numbers
between the same characters, and names before the same word (the company before `有限公司`, the town before `市`). Where
surroundings repeat within a text, one common value is enough.

It does not tell two notices that differ in fewer than two of these places, or in names of no such kind.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Set
from dataclasses import dataclass

from pipelines.cleaning.keys import simplify

# At least this share of the common surroundings must have something in common.
LEAST_AGREEMENT = 0.83
# One difference may be a slip, or other words that happen to stand there.
MOST_DIFFERENCES = 1

_LEFT, _RIGHT = 2, 1
_UNSEEN = re.compile(r"[\s#]+")
# A date in digits, or with a time of day, is when a page was published: tellings of one thing differ in it.
_STAMP = re.compile(
    r"(?:(?:[0-9]{4}[-/.年])?[0-9]{1,2}[-/.月][0-9]{1,2}日?[ t]+[0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?"
    r"|[0-9]{4}[-/][0-9]{1,2}[-/][0-9]{1,2})"
)
_THOUSANDS = re.compile(r"(?<=[0-9]),(?=[0-9]{3}(?![0-9]))")
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)*")
# A company's last four characters, as many are called `.. 科技`; of other names two, as short forms have no more.
_COMPANY = re.compile(r"([\u4e00-\u9fff]{4})(?<!控股)(?<!股份)(?<!集团)(?:控股|股份|集团|责任)*(有限公司)")
_NAMED = re.compile(
    r"(?=([\u4e00-\u9fff]{2})"
    "(集团|银行|基金|大学|学院|医院|法院|检察院|公安局|气象台|先生|女士"
    "|省(?!会)|(?<!上)市(?![场值民盘价况面])|县|(?<!地)区(?![域别间块位])|镇))"
)

# What stands in each of a text's surroundings.
Stated = Mapping[str, Set[str]]


@dataclass(frozen=True)
class Facts:
    """numbers: by the characters around them. names: by the word behind them."""

    numbers: Stated
    names: Stated


def facts(text: str) -> Facts:
    """The numbers and names of a text, each where it stands."""
    folded = _STAMP.sub("", unicodedata.normalize("NFKC", simplify(text)).lower())
    folded = _THOUSANDS.sub("", _UNSEEN.sub("", folded))
    return Facts(_numbers(folded), _names(folded))


def same_facts(left: Facts, right: Facts) -> bool:
    """Whether the texts agree where they can be compared; two texts that can't be compared do."""
    numbers, all_numbers = compare(left.numbers, right.numbers)
    names, all_names = compare(left.names, right.names)
    if all_names - names > MOST_DIFFERENCES:
        return False
    agreeing, compared = numbers + names, all_numbers + all_names
    return compared - agreeing <= MOST_DIFFERENCES or agreeing >= LEAST_AGREEMENT * compared


def compare(left: Stated, right: Stated) -> tuple[int, int]:
    """In how many surroundings that both texts have they agree, and how many these are."""
    common = left.keys() & right.keys()
    return sum(not left[place].isdisjoint(right[place]) for place in common), len(common)


def _numbers(text: str) -> Stated:
    """Digits in the surroundings count as one sign, so that the day of a date stands behind any month."""
    found: dict[str, set[str]] = {}
    masked = _NUMBER.sub("#", text)
    place = 0
    for number in _NUMBER.findall(text):
        place = masked.index("#", place)
        around = f"{masked[max(place - _LEFT, 0) : place]}#{masked[place + 1 : place + 1 + _RIGHT]}"
        found.setdefault(around, set()).add(number)
        place += 1
    return found


def _names(text: str) -> Stated:
    found: dict[str, set[str]] = {}
    for name, behind in (*_COMPANY.findall(text), *_NAMED.findall(text)):
        found.setdefault(behind, set()).add(name)
    return found
