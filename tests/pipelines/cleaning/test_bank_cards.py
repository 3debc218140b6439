"""Bank card numbers, and what looks like them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.cleaning.bank_cards import find_bank_cards, luhn_holds


def _found(text: str) -> list[str]:
    return [text[match.start : match.end] for match in find_bank_cards(text)]


def _card(body: str) -> str:
    """`body` and the digit that makes the sum of its digits, every second one doubled, end in 0."""
    total = 0
    for place, digit in enumerate(reversed(body)):
        total += sum(map(int, str(int(digit) * 2))) if place % 2 == 0 else int(digit)
    return body + str(-total % 10)


CARD_16, CARD_19 = _card("622202010067547"), _card("622848182915652257")


def test_published_numbers() -> None:
    assert luhn_holds("79927398713")
    assert not luhn_holds("79927398710")


@given(st.text("0123456789", min_size=13, max_size=16))
def test_a_card_is_found_and_one_with_a_wrong_digit_is_not(digits: str) -> None:
    number = _card("62" + digits)
    assert _found(f"卡号{number}，") == [number]
    assert _found(number[:-1] + str((int(number[-1]) + 1) % 10)) == []


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (f"账户{CARD_16}（", CARD_16),
        (CARD_19, CARD_19),
        ("6222 0201 0067 547" + CARD_16[-1], "6222 0201 0067 547" + CARD_16[-1]),
        (f"6222-0201-0067-547{CARD_16[-1]}", f"6222-0201-0067-547{CARD_16[-1]}"),
        (f"6222 0201 0067 547{CARD_16[-1]} 100元", f"6222 0201 0067 547{CARD_16[-1]}"),
        (f"6228 4818 2915 6522 57{CARD_19[-1]}", f"6228 4818 2915 6522 57{CARD_19[-1]}"),
        (f"{CARD_19[:6]} {CARD_19[6:]}", f"{CARD_19[:6]} {CARD_19[6:]}"),
        ("4111111111111111", "4111111111111111"),
        ("5500 0000 0000 0004", "5500 0000 0000 0004"),
        ("378282246310005", "378282246310005"),
        ("3782 822463 10005", "3782 822463 10005"),
        ("30569309025904", "30569309025904"),
        ("3530111333300000", "3530111333300000"),
        (f"{CARD_16}、{CARD_19}", CARD_16),
    ],
)
def test_valid_numbers_are_found(text: str, number: str) -> None:
    assert _found(text)[0] == number


@pytest.mark.parametrize(
    "text",
    [
        _card("202307281122334"),
        _card("100000000000000"),
        _card("812345678901234"),
        _card("41111111111111"),
        _card("62220201006754"),
        "A" + CARD_16,
        CARD_16 + "8",
        "5327744144_" + CARD_16,
        f"m.example.cn/status/{CARD_16}?from=1",
        f"单号2023-{CARD_16}",
        f"0.{CARD_16}",
    ],
)
def test_other_numbers_are_not(text: str) -> None:
    assert _found(text) == []
