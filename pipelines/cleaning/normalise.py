"""Mending a text: mojibake, left-over HTML, white space, lines of page furniture. Pure.

What a text says stays; characters are not folded (that is for the comparison key only).
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from pipelines.cleaning.config import NormaliseConfig

if TYPE_CHECKING:
    from ftfy import TextFixerConfig

_INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060\ufeff\u00ad\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_SPACES = re.compile(r"[ \t\u00a0\u3000\u2000-\u200a\u202f]+")
# Begins with the space, so that the search goes from space to space.
_PUNCTUATION = "[、。〈-】〔-〟！-／：-＠［-｀｛-･]"
_BESIDE_PUNCTUATION = re.compile(f" (?:(?<={_PUNCTUATION} )|(?={_PUNCTUATION}))")
_BLANK_LINES = re.compile(r"\n{3,}")

# Mojibake is a run of characters of a single-byte codec, two at least for one that was lost, and not all of them usual
# punctuation. Plain Chinese and English have such characters one at a time (`·`, `℃`) or not at all, and to look for
# them costs a fiftieth of what looking for mojibake does.
_USUAL = " \xa0\u2014\u2018\u2019\u201c\u201d\u2026"
_CODEC = (
    "\x80-\x9f\xa1-\u052f\u2000-\u2013\u2015-\u2017\u201a\u201b\u201e-\u2025\u2027-\u206f\u20a0-\u2bff\ufb00-\ufb06"
)
_DAMAGE = "\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u206a-\u206f\ud800-\uf8ff\ufeff\ufff0-\uffff"
_SUSPECT = re.compile(f"[{_DAMAGE}{_CODEC}]")
_DAMAGED = re.compile(f"[{_DAMAGE}]|[{_CODEC}][{_USUAL}{_CODEC}]|[{_USUAL}][{_CODEC}]")

_SCRIPT = re.compile(r"<(script|style|noscript)\b[^>]*>.*?</\1\s*>", re.IGNORECASE | re.DOTALL)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_BREAK = re.compile(r"</?(?:p|div|br|li|ul|ol|h[1-6]|tr|table|section|article|blockquote|hr)\b[^>]*/?>", re.IGNORECASE)
_TAG = re.compile(r"</?(?:a|b|i|u|em|strong|span|font|img|td|th|tbody|thead|small|sup|sub|center|iframe|video|code|pre|"
                  r"body|html|head|meta|link|input|button|form|label|nav|footer|header|main|figure|figcaption)\b[^>]*/?>",
                  re.IGNORECASE)  # fmt: skip
_ENTITY = re.compile(r"&(?:#\d{1,7}|#x[0-9a-f]{1,6}|[a-z][a-z0-9]{1,30});", re.IGNORECASE)

# Lines of the page around a text. Anchored, and for short lines only: a sentence that mentions them stays.
_PAGE_LINE_CHARACTERS = 60
_PAGE_LINES = re.compile(
    r"""^\W*(?:
        (?:责任)?编辑[:：] | (?:文章|本文|信息|稿件)?来源[:：] | 作者[:：] | 记者[:：]
      | 分享(?:到|至)[:：\s] | [上下]一[篇页][:：] | 首页\s*[>»/|] | 您?当前的?位置[:：]
      | 版权(?:声明|所有)[:：\s©] | 免责声明[:：]
      | (?:相关(?:推荐|阅读|文章|新闻)|推荐阅读)(?:[:：].*)?$
      | (?:联系人|联系(?:电话|方式)|咨询(?:电话|热线)|投稿邮箱|商务合作|举报(?:电话|邮箱))[:：]
      | 阅读原文$ | 查看(?:更多|全文)$ | 返回(?:顶部|列表|首页)$
      | (?:点击|关注)\s*[上下]?方?\s*(?:蓝字|蓝色字|公众号|二维码)
      | (?:长按|扫描|识别)\s*(?:下方|识别|图中)?\s*二维码
      | (?:【广告】|广告[:：]) .* (?:点击|领取|优惠|>>)
      | 喜欢(?:这篇|本文).*(?:点赞|转发|在看) | (?:本网站|我们)使用\s*cookie
      | 阅读(?:量|次数)?[:：]\s*\d | 浏览(?:量|次数)?[:：]\s*\d | copyright\b | all\s+rights\s+reserved
    )""",
    re.VERBOSE | re.IGNORECASE,
)
# Furniture never makes up most of a text; where it seems to, the text itself is about such things (or is rubbish).
_LEAST_REST = 0.5


def normalise(text: str, config: NormaliseConfig) -> str:
    """The text, mended as `config` says."""
    if config.mojibake:
        text = mend_mojibake(text)
    if config.html:
        text = strip_html(text)
    text = tidy_spaces(text)
    return drop_lines(text, is_page_line) if config.page_lines else text


def mend_mojibake(text: str) -> str:
    """Undo wrong decodings that can be undone; width, quotes and ligatures are the author's and stay."""
    if not _SUSPECT.search(text) or not _DAMAGED.search(text):
        return text
    import ftfy

    return ftfy.fix_text(text, _ftfy_config())


def strip_html(text: str) -> str:
    """Take out tags by name (so that `a < b` stays) and resolve entities; block tags become line breaks."""
    if "<" in text:
        text = _COMMENT.sub("", _SCRIPT.sub("", text))
        text = _TAG.sub("", _BREAK.sub("\n", text))
    return _ENTITY.sub(lambda entity: html.unescape(entity[0]), text) if "&" in text else text


def tidy_spaces(text: str) -> str:
    """No invisible characters, single spaces, none beside Chinese punctuation, no indents, at most one blank line."""
    text = _INVISIBLE.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    text = _BESIDE_PUNCTUATION.sub("", _SPACES.sub(" ", text))
    lines = (line.strip() for line in text.split("\n"))
    return _BLANK_LINES.sub("\n\n", "\n".join(lines)).strip()


def is_page_line(line: str) -> bool:
    """Whether a line is furniture of a page by what it says."""
    return len(line) <= _PAGE_LINE_CHARACTERS and _PAGE_LINES.match(line) is not None


def drop_lines(text: str, unwanted: Callable[[str], bool]) -> str:
    """The text without its unwanted lines; unchanged when less than half of it would be left, or if it is one line."""
    lines = text.split("\n")
    if len(lines) == 1:
        return text
    rest = [line for line in lines if not unwanted(line)]
    if len(rest) == len(lines) or sum(map(len, rest)) < _LEAST_REST * sum(map(len, lines)):
        return text
    return _BLANK_LINES.sub("\n\n", "\n".join(rest)).strip()


def _ftfy_config() -> TextFixerConfig:
    from ftfy import TextFixerConfig

    return TextFixerConfig(
        unescape_html=False,
        fix_latin_ligatures=False,
        fix_character_width=False,
        uncurl_quotes=False,
        remove_terminal_escapes=True,
        normalization=None,
        max_decode_length=10**9,
        explain=False,
    )
