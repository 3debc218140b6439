"""Numbers of bank cards: an issuer's first digits, a length that goes with them, and the Luhn digit. Pure.

ISO/IEC 7812. The issuers are those whose cards are met on the mainland: UnionPay, the cards that mainland banks issued
before it (many of them with Visa's digits and a length of 19), and the international schemes.

Accounts of companies, Visa's numbers of 13 digits (none is left) and Maestro's (any length, hardly a rule) are not
found: the number of an order has a right Luhn digit one time in ten, so first digits and length have to decide as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pipelines.cleaning.matches import Match
from pipelines.cleaning.surroundings import is_grouped_further, stands_alone

_CANDIDATE = re.compile(
    r"(?<![0-9])[2-9][0-9]{3}(?:[0-9]{10,15}|[0-9]{2}[ -][0-9]{10,13}"
    r"|([ -])[0-9]{4}\1[0-9]{4}\1[0-9]{4}(?P<tail>\1[0-9]{1,3}|[0-9]{1,3})?|([ -])[0-9]{6}\3[0-9]{4,5})(?![0-9])"
)
# (first, last) of the leading digits, and the lengths that belong to them.
_ISSUERS: tuple[tuple[str, str, frozenset[int]], ...] = (
    ("62", "62", frozenset({16, 17, 18, 19})),  # UnionPay
    ("955", "955", frozenset({16, 17, 18, 19})),  # mainland banks before UnionPay
    ("6013", "6014", frozenset({16, 17, 18, 19})),
    ("4", "4", frozenset({16, 19})),  # Visa; 19: mainland banks
    ("51", "55", frozenset({16})),  # Mastercard
    ("2221", "2720", frozenset({16})),
    ("34", "34", frozenset({15})),  # American Express
    ("37", "37", frozenset({15})),
    ("3528", "3589", frozenset({16})),  # JCB
    ("300", "305", frozenset({14})),  # Diners Club
    ("36", "36", frozenset({14})),
    ("38", "39", frozenset({14})),
    ("6011", "6011", frozenset({16})),  # Discover
    ("65", "65", frozenset({16})),
)


def find_bank_cards(text: str) -> Iterator[Match]:
    """Numbers that are valid and stand alone: in one piece, in groups of four, as 6 and the rest, 4-6-5 or 4-6-4."""
    for found in _CANDIDATE.finditer(text):
        start, end = found.span()
        if not is_bank_card(_digits(found[0])):
            # `6222 0200 1122 3344 100元`: the last group need not belong to it.
            end = found.start("tail")
            if end < 0 or text[end] not in " -" or not is_bank_card(_digits(text[start:end])):
                continue
        elif is_grouped_further(text, start, end, "- " if end - start > len(_digits(found[0])) else "-"):
            continue
        if stands_alone(text, start, end):
            yield Match("bank_card", start, end)


def is_bank_card(number: str) -> bool:
    """Whether the digits are those of an issuer's card and the last one is right."""
    return any(
        first <= number[: len(first)] <= last and len(number) in lengths for first, last, lengths in _ISSUERS
    ) and luhn_holds(number)


def luhn_holds(number: str) -> bool:
    """Whether the last digit is the Luhn digit of those before it (ISO/IEC 7812-1, annex B)."""
    digits = [int(digit) for digit in reversed(number)]
    doubled = [2 * digit - 9 * (digit > 4) for digit in digits[1::2]]
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0


def _digits(text: str) -> str:
    return re.sub("[ -]", "", text)
