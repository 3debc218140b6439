"""E-mail and IP addresses, and what looks like them."""

from __future__ import annotations

import pytest

from pipelines.cleaning.internet_addresses import find_emails, find_ips


def _emails(text: str) -> list[str]:
    return [text[match.start : match.end] for match in find_emails(text)]


def _ips(text: str) -> list[str]:
    return [text[match.start : match.end] for match in find_ips(text)]


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("邮箱：jpbl@jp.jiupainews.com】", "jpbl@jp.jiupainews.com"),
        ("投稿lywymsjb@163.com领导说了", "lywymsjb@163.com"),
        ("写信给a.b+c_d@mail-server.example.com.cn。", "a.b+c_d@mail-server.example.com.cn"),
        ("2595742929@qq.com2023.07.25", "2595742929@qq.com"),
        ("...a@b.com.", "a@b.com"),
        ("<zhang.san@example.org>", "zhang.san@example.org"),
    ],
)
def test_emails_are_found(text: str, address: str) -> None:
    assert _emails(text) == [address]


@pytest.mark.parametrize("text", ["网友@XT.在平台", "@张三", "icon@2x.png", "a@b", "x@1.2.3", "@media.screen"])
def test_other_signs_are_not_emails(text: str) -> None:
    assert _emails(text) == []


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("网址：http://221.237.160.200:8000/03", "221.237.160.200"),
        ("来自114.114.114.114的请求", "114.114.114.114"),
        ("IP地址是8.8.8.8", "8.8.8.8"),
        ("服务器 1.2.3.4 宕机", "1.2.3.4"),
        ("连接1.2.3.4:8080", "1.2.3.4"),
        ("网段39.96.0.0/16", "39.96.0.0"),
        ("2001:4860:4860::8888 可用", "2001:4860:4860::8888"),
        ("[2408:8207:1234:5678:90ab:cdef:1234:5678]", "2408:8207:1234:5678:90ab:cdef:1234:5678"),
    ],
)
def test_ip_addresses_are_found(text: str, address: str) -> None:
    assert _ips(text) == [address]


@pytest.mark.parametrize(
    "text",
    [
        "1.2.3.4 研究方法",
        "第1.2.3.4节",
        "升级到版本8.0.32.101",
        "v10.0.190.41",
        "Version: 114.0.57.35",
        "114.0.5735.199",
        "1.2.3.4.5.6.7.200",
        "256.100.1.1",
        "475.964.936.733",
        "192.168.1.1",
        "127.0.0.1",
        "255.255.255.0",
        "203.0.113.7",
        "12:30:45",
        "近50期区间比为22:20:33:25",
        "2023:08:01 12:30:45",
        "fe80::1",
        "std::vector",
        "2001:db8::1",
    ],
)
def test_other_numbers_are_not_ip_addresses(text: str) -> None:
    assert _ips(text) == []
