"""E-mail addresses, and IP addresses of machines that can be reached from anywhere. Pure.

Four numbers with dots between them are as often a version or a section as an IPv4 address. They count when one of them
is at least 100, which sections and most versions never have, or when something beside them says so: a scheme, a port, a
prefix length, or a word such as `IP` or `服务器` shortly before. They never count after a word such as `版本`.
Addresses that anybody may use inside a network (192.168.x.x, 127.0.0.1, fe80::), that documents use as examples, and
netmasks say nothing about a person and are left.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from pipelines.cleaning.matches import Match

_EMAIL = re.compile(
    r"(?<![A-Za-z0-9_%+-])[A-Za-z0-9_][A-Za-z0-9._%+-]{0,63}@"
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,8}(?P<top>[A-Za-z]{2,24})(?![A-Za-z])"
)
# `icon@2x.png` is a file.
_FILE_ENDINGS = frozenset({"png", "jpg", "jpeg", "gif", "webp", "svg", "bmp", "ico", "css", "js", "ts", "tgz", "zip"})

_NUMBER = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4 = re.compile(rf"(?<![0-9A-Za-z_.]){_NUMBER}(?:\.{_NUMBER}){{3}}(?![0-9A-Za-z_]|\.[0-9A-Za-z])")
_LARGE = 100
_CUE_CHARACTERS = 16
_BEFORE_ADDRESS = re.compile(
    r"(?:://(?:[!-;=?-~]*@)?|(?<![A-Za-z])(?:ip|ipv4|dns|host|ping|server|ssh|telnet)(?![A-Za-z])[^<>\n]*"
    r"|(?:服务器|主机|网关|域名|地址)[^<>\n]*)$",
    re.IGNORECASE,
)
_AFTER_ADDRESS = re.compile(r":[0-9]{2,5}(?![0-9])|/(?:[12]?[0-9]|3[0-2])(?![0-9])")
_BEFORE_VERSION = re.compile(r"(?:版本?号?|固件|驱动|系统|(?<![A-Za-z])(?:version|ver|v|build|release)\.?)[ :]*$", re.I)

_IPV6 = re.compile(r"(?<![0-9A-Za-z:.])[23][0-9A-Fa-f]{3}:(?:[0-9A-Fa-f]{0,4}:){1,6}[0-9A-Fa-f]{0,4}(?![0-9A-Za-z:])")


def find_emails(text: str) -> Iterator[Match]:
    """Addresses with a top-level domain of letters; Chinese beside one and digits after one do not belong to it."""
    for found in _EMAIL.finditer(text):
        if found["top"].lower() not in _FILE_ENDINGS:
            yield Match("email", *found.span())


def find_ips(text: str) -> Iterator[Match]:
    """IPv4 and IPv6 addresses that are global."""
    for found in _IPV4.finditer(text):
        if ipaddress.IPv4Address(found[0]).is_global and _is_meant_as_address(text, found):
            yield Match("ip", *found.span())
    for found in _IPV6.finditer(text):
        if _is_global_ipv6(found[0]):
            yield Match("ip", *found.span())


def _is_meant_as_address(text: str, found: re.Match[str]) -> bool:
    # What lies beyond a mask or a tag says nothing about this number.
    before = re.split("[<>]", text[max(found.start() - _CUE_CHARACTERS, 0) : found.start()])[-1]
    if _BEFORE_VERSION.search(before):
        return False
    is_large = any(int(number) >= _LARGE for number in found[0].split("."))
    return is_large or bool(_BEFORE_ADDRESS.search(before) or _AFTER_ADDRESS.match(text, found.end()))


def _is_global_ipv6(address: str) -> bool:
    try:
        return ipaddress.IPv6Address(address).is_global
    except ValueError:
        return False
