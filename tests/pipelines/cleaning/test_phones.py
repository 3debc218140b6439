"""Telephone numbers, and what looks like them."""

from __future__ import annotations

import pytest

from pipelines.cleaning.phones import find_landlines, find_mobiles


def _mobiles(text: str) -> list[str]:
    return [text[match.start : match.end] for match in find_mobiles(text)]


def _landlines(text: str) -> list[str]:
    return [text[match.start : match.end] for match in find_landlines(text)]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("电话13812345678。", "13812345678"),
        ("138 1234 5678", "138 1234 5678"),
        ("请拨138-1234-5678转接", "138-1234-5678"),
        ("138 12345678", "138 12345678"),
        ("+86 13812345678", "+86 13812345678"),
        ("(+86)138-1234-5678", "(+86)138-1234-5678"),
        ("0086-19912345678", "0086-19912345678"),
        ("8613812345678", "8613812345678"),
        ("微信vx13812345678", "13812345678"),
        ("Tel:13812345678", "13812345678"),
        ("0471-6321725 15840176508贾警官", "15840176508"),
        ("13812345678 王先生", "13812345678"),
        ("https://example.com/call?phone=13812345678", "13812345678"),
    ],
)
def test_mobile_numbers_are_found(text: str, number: str) -> None:
    assert _mobiles(text) == [number]


@pytest.mark.parametrize(
    "text",
    [
        "订单20231381234567890",
        "12812345678",
        "3.13812345678",
        "圆周率3.14159265358",
        "13812345678.5元",
        "A13812345678B",
        "单号2023-13812345678-01",
        "ISBN-13812345678",
        "138 1234 5678 9012",
        "50 138 1234 5678",
        "138-1234 5678",
        "https://example.com/a/13812345678.html",
        "m.example.cn/status/13812345678?page=1",
        "1381234567",
        "10086",
        "95588",
    ],
)
def test_other_numbers_are_not_mobile_numbers(text: str) -> None:
    assert _mobiles(text) == []


def test_each_number_of_a_list_is_found() -> None:
    assert _mobiles("13812345678、13912345678/15012345678,18612345678") == [
        "13812345678", "13912345678", "15012345678", "18612345678"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("电话010-85202353。", "010-85202353"),
        ("(0731)85571188", "(0731)85571188"),
        ("(0713-8665369)", "0713-8665369"),
        ("+86 (010) 85202353", "+86 (010) 85202353"),
        ("0731 8557 1188", "0731 8557 1188"),
        ("+86-10-65612308", "+86-10-65612308"),
        ("0371-58586111转12", "0371-58586111转12"),
        ("0372-6061999", "0372-6061999"),
        ("020-38109036-8001", "020-38109036-8001"),
    ],
)
def test_landline_numbers_are_found(text: str, number: str) -> None:
    assert _landlines(text) == [number]


@pytest.mark.parametrize(
    "text",
    [
        "编号0052023014号", "8557-1188", "010-1234567", "0731-15571188", "2010-85202353", "400-819-0789",
        "978-010-85202353", "01085202353123", "026-85202353", "0.010-85202353",
    ],
)  # fmt: skip
def test_other_numbers_are_not_landline_numbers(text: str) -> None:
    assert _landlines(text) == []
