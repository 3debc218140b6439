from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_apps.customer_service.numerals import parse_number, spoken_digits

DIGITS = "零一二三四五六七八九"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("五百", "500"),
        ("两万三", "23000"),
        ("1.5万", "15000"),
        ("一千零二十", "1020"),
        ("一万零五百", "10500"),
        ("1,000", "1000"),
        ("１００", "100"),
        ("十", "10"),
        ("二十五", "25"),
        ("1万5", "15000"),
        ("1万50", "10050"),
        ("一万二千三百四十五", "12345"),
        ("1亿2000万", "120000000"),
        ("叁佰", "300"),
        ("5k", "5000"),
        ("零", "0"),
    ],
)
def test_numbers(text: str, value: str) -> None:
    assert parse_number(text) == Decimal(value)


@pytest.mark.parametrize("text", ["", "一二三", "万", "abc", "5 6", "三百块", "1，000", "6789,500", "1,00"])
def test_no_numbers(text: str) -> None:
    assert parse_number(text) is None


def written(number: int) -> str:
    """A number below 100,000,000 in Chinese, the full way."""
    if number >= 10_000:
        rest = number % 10_000
        zero = "零" if 0 < rest < 1000 else ""
        return written(number // 10_000) + "万" + (zero + written(rest) if rest else "")
    text, zero = "", False
    for unit, name in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit = number // unit % 10
        if digit:
            text += ("零" if zero else "") + DIGITS[digit] + name
            zero = False
        elif text:
            zero = True
    return text or "零"


@given(st.integers(0, 99_999_999))
def test_every_number_written_in_full_is_read(number: int) -> None:
    assert parse_number(written(number)) == number


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    value = parse_number(text)
    assert value is None or value >= 0


@given(st.text(alphabet="尾号〇一二两三幺09 ａ", max_size=20))
def test_spoken_digits_keep_positions(text: str) -> None:
    assert len(spoken_digits(text)) == len(text)
