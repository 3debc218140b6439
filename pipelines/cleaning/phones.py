"""Telephone numbers of the mainland: mobile numbers, and landline numbers with their area code. Pure.

Number plan: 电信网编号计划 (2017) of the Ministry of Industry and Information Technology. A landline number without its
area code, a service number (`10086`, `95588`) and a hotline (`400-...`) are not found: nothing tells the first from any
other number, and the others belong to no person.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pipelines.cleaning.matches import Match
from pipelines.cleaning.surroundings import is_grouped_further, stands_alone

_CHINA = r"(?:\((?:\+|00)86\)|(?:\+|00)86)[ -]?"
_MOBILE = re.compile(
    rf"(?<![0-9])(?:{_CHINA}|86[ -]?)?1[3-9][0-9](?:([ -]?)[0-9]{{4}}\1[0-9]{{4}}|([ -])[0-9]{{8}})(?![0-9])"
)


def _area(code: str) -> str:
    """An area code with its 0 (which may be left out after +86), and what parts it from the number."""
    return rf"(?:\(0{code}\)[ -]?|0{code}[ -]|{_CHINA}(?:\(0?{code}\)[ -]?|0?{code}[ -]))"


# An area code of two digits (010, 02x) has numbers of eight, one of three has numbers of seven or eight.
_LANDLINE = re.compile(
    rf"(?<![0-9])(?:{_area('(?:10|2[0-57-9])')}[2-8][0-9]{{3}}[ -]?[0-9]{{4}}"
    rf"|{_area('[3-9][0-9]{2}')}[2-8][0-9]{{3}}[ -]?[0-9]{{3,4}})(?![0-9])"
    r"(?:-[0-9]{1,6}(?![0-9-])| ?(?:转|[Ee]xt\.?) ?[0-9]{1,6}(?![0-9]))?"
)


def find_mobiles(text: str) -> Iterator[Match]:
    """Eleven digits from 13 to 19, in one piece, as 3-4-4 or as 3-8, after +86, 0086, 86 or nothing."""
    for found in _MOBILE.finditer(text):
        separators = "- " if found[1] or found[2] else "-"
        if stands_alone(text, *found.span()) and not is_grouped_further(text, *found.span(), separators):
            yield Match("mobile", *found.span())


def find_landlines(text: str) -> Iterator[Match]:
    """Area code, separator or parentheses, seven or eight digits, extension."""
    for found in _LANDLINE.finditer(text):
        if stands_alone(text, *found.span()) and not is_grouped_further(text, *found.span(), "-"):
            yield Match("landline", *found.span())
