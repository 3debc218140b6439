"""Street addresses, and what looks like them."""

from __future__ import annotations

import pytest

from pipelines.cleaning.street_addresses import find_street_addresses


def _found(text: str) -> list[str]:
    return [text[match.start : match.end] for match in find_street_addresses(text)]


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("他住在杭州市西湖区西溪路128号3幢502室，", "杭州市西湖区西溪路128号3幢502室"),
        ("住址：浙江省杭州市西湖区文三路90号", "浙江省杭州市西湖区文三路90号"),
        ("记者来到武汉市新洲区邾城街道古城大道158号爱心取水点", "武汉市新洲区邾城街道古城大道158号"),
        ("上海市浦东新区张杨路500号", "上海市浦东新区张杨路500号"),
        ("位于成都市锦江区红星路三段16号的大厦", "成都市锦江区红星路三段16号"),
        ("北京市朝阳区和平街8号院2号楼301", "北京市朝阳区和平街8号院2号楼301"),
    ],
)
def test_addresses_are_found(text: str, address: str) -> None:
    assert _found(text) == [address]


@pytest.mark.parametrize(
    "text",
    [
        "步入重庆轨道5号线重光站",
        "在北京市长安街参加活动",
        "本市道路3号文件要求",
        "位于上海市的南京路",
        "门牌是文三路90号",
        "2023年7月27日在飞雪街10号车位逃费",
    ],
)
def test_other_words_are_not(text: str) -> None:
    assert _found(text) == []
