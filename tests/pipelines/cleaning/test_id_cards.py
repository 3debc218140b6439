"""Identity card numbers, and what looks like them."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.cleaning.id_cards import check_character, find_id_cards, is_id_card


def _found(text: str) -> list[str]:
    return [text[match.start : match.end] for match in find_id_cards(text)]


def _whole(first_17: str) -> str:
    """By the definition of ISO 7064: the weighted sum with the check character is 1 modulo 11."""
    total = sum(int(digit) * 2 ** (17 - place) for place, digit in enumerate(first_17))
    return first_17 + next(c for c, value in zip("0123456789X", range(11), strict=True) if (total + value) % 11 == 1)


def test_the_example_of_the_standard() -> None:
    assert check_character("11010519491231002") == "X"
    assert check_character("44052418800101001") == "4"


@given(st.dates(date(1900, 1, 1), date(2099, 12, 31)), st.integers(0, 999))
def test_a_right_number_is_found_and_no_other_check_character_is(birth: date, serial: int) -> None:
    number = _whole(f"320106{birth:%Y%m%d}{serial:03d}")
    assert _found(f"身份证号{number}。") == [number]
    for check in "0123456789X":
        assert is_id_card(number[:17] + check) == (check == number[-1])


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("身份证61062419880127185X，户籍地", "61062419880127185X"),
        ("身份证61062419880127185x", "61062419880127185x"),
        ("342421 19620606 0959", "342421 19620606 0959"),
        ("ID:342421196206060959", "342421196206060959"),
        ("旧证110105491231002。", "110105491231002"),
        (_whole("81000019900307123"), _whole("81000019900307123")),
        (_whole("91101519900307123"), _whole("91101519900307123")),
    ],
)
def test_valid_numbers_are_found(text: str, number: str) -> None:
    assert _found(text) == [number]


@pytest.mark.parametrize(
    "text",
    [
        "342421196206060958",
        _whole("99999919900307123"),
        _whole("16010619900307123"),
        _whole("11000019900307123"),
        _whole("32010619900230123"),
        _whole("32010618990307123"),
        "1" + "342421196206060959",
        "342421196206060959" + "7",
        "DBP342421196206060959",
        "110105491331002",
        "0.342421196206060959",
        "https://example.com/342421196206060959",
        "342421196206060959.5",
    ],
)
def test_other_numbers_are_not(text: str) -> None:
    assert _found(text) == []
