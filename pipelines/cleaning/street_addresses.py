"""Street addresses of the mainland: province, city or district, road and house number. Pure.

Precise rather than complete, and not masked unless asked for: Chinese has no spaces, so where an address begins can
only be told by a province's name, a word such as `住址` or `位于`, or a sign before it; without one of these, or
without a house number, it is not found. Addresses of shops and offices are found like those of people.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pipelines.cleaning.matches import Match

_HAN = "\u4e00-\u9fff"
_PROVINCE = (
    "(?:北京|天津|上海|重庆|河北|山西|辽宁|吉林|黑龙江|江苏|浙江|安徽|福建|江西|山东|河南|湖北|湖南|广东|海南|四川|贵州|云南"
    "|陕西|甘肃|青海|内蒙古|广西|西藏|宁夏|新疆)(?:省|市|壮族自治区|回族自治区|维吾尔自治区|自治区)?"
)
# Words that end where an address begins. `到` and `在` alone also end other words; an administrative unit follows here.
_CUE = "(?<=[在于到至往址住]|是|为)"
_BEGIN = f"(?:{_PROVINCE}|{_CUE}|(?<![{_HAN}0-9A-Za-z]))"
# Characters that stand before names of places and hardly in them.
_NAME = f"(?:(?![在于到至往住址位是为的])[{_HAN}])"
_UNIT = "(?:自治州|自治县|自治旗|地区|新区|开发区|高新区|街道|[市区县州盟旗镇乡村])"
_ROAD = "(?:大街|大道|胡同|[路街道巷弄里])"
_NUMBER = "[0-9]{1,5}(?:-[0-9]{1,4})?号(?!线|公路|高速|楼盘|文|令|台风|选手|首长|病房)"
_INSIDE = "(?:院|小区|大院)?(?:[0-9A-Za-z]{1,4}(?:号楼|栋|幢|座|单元|层|楼|室|号|房)){0,5}(?:[0-9]{3,4}(?![0-9]))?"
# Short names keep the pattern from running over a sentence; the possible steps are bounded by them, too.
_ADDRESS = re.compile(
    f"{_BEGIN}(?:{_NAME}{{1,6}}?{_UNIT}){{1,5}}{_NAME}{{1,7}}?{_ROAD}(?:[东西南北中一二三四五六七八九十]段)?{_NUMBER}{_INSIDE}"
)


def find_street_addresses(text: str) -> Iterator[Match]:
    """Addresses down to a house number, a building or a room."""
    for found in _ADDRESS.finditer(text):
        yield Match("address", *found.span())
