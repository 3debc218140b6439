"""Signs of advertising in Chinese text. Pure.

One sign means nothing; several different ones close together do. What stands in quotation marks is talked about, as in
an article that warns of fraud, and does not count.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from functools import cache

import numpy as np

from pipelines.cleaning.concatenation import Concatenation

_SIGNS = {
    "messenger": (
        r"(?:加|添加|联系|咨询)\s*(?:我|客服|老师|助理|小助手)?\s*的?\s*(?:微信|薇信|威信|V信|VX|QQ|扣扣)",
        r"(?:微信号?|QQ|VX)\s*[:：]\s*\w{5,}",
        r"(?:进|入|加|拉你进?)\w{0,3}群",
    ),
    "hotline": (r"(?<!\d)[48]00[-－ ]?\d{3}[-－ ]?\d{3,4}", r"(?:咨询|订购|免费|服务)(?:热线|电话)"),
    "click": (
        r"点击(?:上方|下方|这里|此处|链接|蓝字|领取|了解|查看|进入|下载|购买)|点我|戳这里|戳我",
        r"(?:立即|马上|火速|一键)(?:抢购|购买|领取|下载|注册|报名|下单|咨询)",
    ),
    "scan": (
        r"扫一?扫?码|扫描(?:下方)?二维码|长按(?:识别|保存)",
        r"关注(?:我们的?)?(?:微信)?公众号|下载\s*(?:客户端|APP)",
    ),
    "price": (
        r"原价|现价|仅需|只要\s*\d|特价|特惠|钜惠|秒杀|清仓|甩卖|大促|促销|最低价|低至|半价|折上折",
        r"[一二三四五六七八九\d]折|买[一二三\d]送|立减|满\s*\d+\s*元?\s*减",
        r"(?:工厂|厂家)直销|正品保证|假一赔|货到付款",
    ),
    "gift": (
        r"(?:领取?|抢|送)(?:新人|现金)?(?:礼品|福利|资料|话费|手机)",
        r"红包|优惠券|代金券|礼包",
    ),
    "urgency": (
        r"手慢无|先到先得|(?:名额|数量)有限|仅限前|最后\s*\d+\s*[天名个]|错过再?等|还等什么|赶紧来",
        r"机不可失|速来|赶快行动|不要错过|别错过",
    ),
    "income": (r"日赚|月入|月赚|躺赚|躺着赚|轻松赚|零投资|(?:不要|无需)本金|稳赚|高额?回报|暴富|宝妈|刷单",),
    "guarantee": (
        r"无效退款|不满意退|包过|包教包会|当天下款|无视征信|不成功不收费|七天无理由",
        r"100%\s*有效|立竿见影|见效",
    ),
    "gambling": (r"彩票|六合|博彩|赌场|开户送|内幕|涨停|牛股|带单|荐股|必中|下注|棋牌",),
    "relay": (r"转发(?:到|给|本|此)|分享(?:到|给)\s*\w{0,4}(?:群|好友|朋友圈)|集赞|解锁完整",),
    "shouting": (r"[!！]{2,}|>>+|↓↓|震惊|重磅|速看",),
    "link": (r"https?://\S+|www\.\S+",),
    "services": (r"代办|代开|代写|办证|提额|祛斑|减肥|丰胸|增高|壮阳|生发",),
    "crowd": (
        r"\d{3,}\s*多?人已?(?:购买|报名|参与|领取)|百万网友|万人(?:好评|抢购)",
        r"(?:明星|网红)同款|内部(?:价|福利|名额|渠道)",
    ),
}
# A sign is looked for only where one of its marks is: letters first, as most texts lack them. A mark of several words
# needs them all.
_MARKS = {
    "messenger": ("微信", "薇信", "威信", "v信", "qq", "扣扣", "vx", "群"),
    "hotline": ("400", "800", "热线", "咨询电话", "订购电话", "免费电话", "服务电话"),
    "click": ("点击", "点我", "戳", "立即", "马上", "火速", "一键"),
    "scan": ("扫码", "扫一", "扫描", "长按", "公众号", "下载"),
    "price": ("原价", "现价", "仅需", "只要", "特价", "特惠", "钜惠", "秒杀", "清仓", "甩卖", "大促", "促销", "最低价",
              "低至", "半价", "折", "买 送", "立减", "满 减", "直销", "正品保证", "假一赔", "货到付款"),
    "gift": ("礼品", "福利", "资料", "话费", "手机", "红包", "优惠券", "代金券", "礼包"),
    "urgency": ("手慢无", "先到先得", "名额有限", "数量有限", "仅限前", "最后", "错过", "还等什么", "赶紧来",
                "机不可失", "速来", "赶快行动"),
    "income": ("赚", "月入", "零投资", "本金", "回报", "暴富", "宝妈", "刷单"),
    "guarantee": ("退款", "不满意退", "包过", "包教", "下款", "征信", "不收费", "七天", "100% 有效", "立竿见影",
                  "见效"),
    "gambling": ("彩票", "六合", "博彩", "赌场", "开户送", "内幕", "涨停", "牛股", "带单", "荐股", "必中", "下注",
                 "棋牌"),
    "relay": ("转发", "分享", "集赞", "解锁"),
    "shouting": ("!!", "！！", "!！", "！!", ">>", "↓↓", "震惊", "重磅", "速看"),
    "link": ("://", "www."),
    "services": ("代办", "代开", "代写", "办证", "提额", "祛斑", "减肥", "丰胸", "增高", "壮阳", "生发"),
    "crowd": ("人购买", "人已购买", "人报名", "人已报名", "人参与", "人已参与", "人领取", "人已领取", "百万网友",
              "万人好评", "万人抢购", "明星同款", "网红同款", "内部价", "内部福利", "内部名额", "内部渠道"),
}  # fmt: skip
_QUOTED = re.compile("“[^”\n]{1,40}”|「[^」\n]{1,40}」")
_COMPILED = {name: re.compile("|".join(patterns), re.IGNORECASE) for name, patterns in _SIGNS.items()}


_ALL_MARKS = [(mark.split(), name) for name, marks in _MARKS.items() for mark in marks]
_LETTERS = sorted(set("".join(word for words, _ in _ALL_MARKS for word in words)))
# (n_letters, n_marks): which letters a mark has, and how many. As floats, for which numpy has a fast product.
_SPELLING = np.array([[letter in "".join(words) for words, _ in _ALL_MARKS] for letter in _LETTERS], dtype=np.float32)
_DIFFERENT = _SPELLING.sum(axis=0)


def advertising_signs(text: str) -> dict[str, int]:
    """How often each sign occurs; signs that do not occur are left out."""
    return find_advertising([text], Concatenation.of([text]))[0]


def find_advertising(texts: Sequence[str], laid: Concatenation) -> list[dict[str, int]]:
    """The same for many texts, which are laid end to end already."""
    letters = _letter_table()[laid.points]
    places = np.flatnonzero(letters)
    present = np.zeros((len(texts), len(_LETTERS) + 1), dtype=np.float32)
    present[laid.owners[places], letters[places]] = 1
    spelt = present[:, 1:] @ _SPELLING == _DIFFERENT
    return [_count_signs(text, np.flatnonzero(marks)) for text, marks in zip(texts, spelt, strict=True)]


def _count_signs(text: str, spelt: np.ndarray) -> dict[str, int]:
    """Args: spelt: the marks whose letters are all in the text."""
    if not len(spelt):
        return {}
    own = _QUOTED.sub("", text) if "“" in text or "「" in text else text
    folded = own.lower()
    marks = map(_ALL_MARKS.__getitem__, spelt.tolist())
    possible = dict.fromkeys(name for words, name in marks if all(word in folded for word in words))
    found = {name: sum(1 for _ in _COMPILED[name].finditer(own)) for name in possible}
    return {name: count for name, count in found.items() if count}


@cache
def _letter_table() -> np.ndarray:
    """(1,114,112,) uint8: 1 + the place of each code point among the letters of the marks, 0 for all others."""
    assert len(_LETTERS) < 256
    table = np.zeros(sys.maxunicode + 1, dtype=np.uint8)
    for place, letter in enumerate(_LETTERS, 1):
        table[ord(letter)] = table[ord(letter.upper())] = place
    return table
