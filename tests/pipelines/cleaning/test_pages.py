"""Pages: charsets and main text."""

from __future__ import annotations

import pytest

from pipelines.cleaning.pages import decode_page, main_text
from pipelines.cleaning.streams import NoTextError

TEXT = "银行卡丢失后，请先在手机上挂失，然后带着身份证到任意网点补办。"


def _page(head: str = "") -> str:
    return f"<html><head>{head}</head><body><nav>首页</nav><p>{TEXT}</p></body></html>"


@pytest.mark.parametrize(
    ("codec", "declared", "head"),
    [
        ("utf-8", "", ""),
        ("utf-8", "gbk", '<meta charset="gb2312">'),
        ("utf-8-sig", "gbk", ""),
        ("gb18030", "GB2312", ""),
        ("gb18030", "utf-8", '<meta charset="gbk">'),
        ("gb18030", "ISO-8859-1", '<meta http-equiv="Content-Type" content="text/html; charset=gb2312">'),
        ("gb18030", "", ""),
        ("utf-16", "", ""),
        ("utf-16-le", "utf-16le", ""),
    ],
)
def test_the_charset_is_found(codec: str, declared: str, head: str) -> None:
    assert decode_page(_page(head).encode(codec), declared).removeprefix("\ufeff") == _page(head)


def test_what_is_declared_decides_between_charsets_that_both_fit() -> None:
    page = "<p>한국어 문장입니다</p>"
    assert decode_page(page.encode("euc-kr"), "EUC-KR") == page
    assert decode_page(b'<?xml version="1.0" encoding="euc-kr"?>' + page.encode("euc-kr")).endswith(page)


@pytest.mark.parametrize("declared", ["no such charset", "punycode", "hex", "unicode_escape", ""])
def test_a_charset_that_is_none_is_passed_over(declared: str) -> None:
    assert decode_page(_page().encode("gb18030"), declared) == _page()


def test_binary_data_is_no_page() -> None:
    with pytest.raises(NoTextError):
        decode_page(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x01" * 30, "gbk")


def test_menus_are_no_main_text() -> None:
    text = main_text(_page())
    assert text is not None and TEXT in text and "首页" not in text


@pytest.mark.parametrize(
    "page",
    [
        "",
        " \n",
        "<html></html>",
        "\x00",
        "<" * 5000,
        "<div>" * 20_000,
        "<?xml version='1.0' encoding='gbk'?><p>",
        "]]>",
    ],
)
def test_a_page_of_nothing_has_no_main_text(page: str) -> None:
    assert main_text(page) is None
