"""Numbers of mainland identity cards: 18 characters of GB 11643-1999, and the 15 digits in use before. Pure.

region (6 digits, GB/T 2260), date of birth, serial (3 digits); the new form has a check character by ISO 7064 MOD 11-2.
Residence permits of Hong Kong, Macao and Taiwan (regions 81, 82, 83) and the permanent residence card of foreigners
(9, region, country) have the same form.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date

from pipelines.cleaning.matches import Match
from pipelines.cleaning.surroundings import stands_alone

_CANDIDATE = re.compile(
    r"(?<![0-9])[1-9][0-9]{5}(?:([ -]?)(?:19|20)[0-9]{2}([ -]?)[0-9]{4}\1[0-9]{3}[0-9Xx]|[0-9]{9})(?![0-9])"
)
_WEIGHTS = tuple(2**power % 11 for power in range(17, 0, -1))
_CHECK_CHARACTERS = "10X98765432"
_PROVINCES = re.compile("1[1-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5]|71|8[1-3]")
# Their holders' regions have no prefecture.
_UNDIVIDED = ("71", "81", "82", "83")


def find_id_cards(text: str) -> Iterator[Match]:
    """Numbers that are valid and stand alone; the new form may be parted as 6-8-4 or 6-4-4-4."""
    for found in _CANDIDATE.finditer(text):
        number = re.sub("[ -]", "", found[0])
        if is_id_card(number) and stands_alone(text, *found.span()):
            yield Match("id_card", *found.span())


def is_id_card(number: str) -> bool:
    """Whether region, date of birth and, of the new form, the check character are right."""
    if len(number) == 15:
        return _is_region(number[:6]) and _is_date("19" + number[6:12])
    is_whole = len(number) == 18 and number[-1].upper() == check_character(number[:17])
    return is_whole and _is_region(number[:6]) and _is_date(number[6:14])


def check_character(number: str) -> str:
    """The eighteenth character for the first 17 digits."""
    total = sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, number, strict=True))
    return _CHECK_CHARACTERS[total % 11]


def _is_region(code: str) -> bool:
    if code[0] == "9":
        return _PROVINCES.match(code, 1) is not None
    return _PROVINCES.match(code) is not None and (code[2:4] != "00" or code[:2] in _UNDIVIDED)


def _is_date(digits: str) -> bool:
    try:
        return 1900 <= date(int(digits[:4]), int(digits[4:6]), int(digits[6:])).year <= 2099
    except ValueError:
        return False
