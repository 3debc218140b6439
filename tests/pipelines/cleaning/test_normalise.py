"""Mending texts without changing what they say."""

from __future__ import annotations

import ftfy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.cleaning.config import NormaliseConfig
from pipelines.cleaning.normalise import (
    _ftfy_config,
    drop_lines,
    is_page_line,
    mend_mojibake,
    normalise,
    strip_html,
    tidy_spaces,
)

TEXT = "银行卡丢失后，请先在手机上挂失。"


@pytest.mark.parametrize(
    ("raw", "mended"),
    [
        (TEXT.encode().decode("latin-1"), TEXT),
        (f"<p>{TEXT}</p><br/>其次，带身份证补办。", f"{TEXT}\n\n其次，带身份证补办。"),
        (f"{TEXT}<script>track('a', 1)</script>", TEXT),
        ("A&amp;B&nbsp;和&ldquo;引号&rdquo;", "A&B 和“引号”"),
        ("\u3000\u3000第一段。  \r\n\r\n\r\n\r\n第二段。\u200b", "第一段。\n\n第二段。"),
        ("句号。 后面的 空格", "句号。后面的 空格"),
    ],
)
def test_what_is_mended(raw: str, mended: str) -> None:
    assert normalise(raw, NormaliseConfig()) == mended


@pytest.mark.parametrize("text", ["如果 a < b 且 c > d，则成立。", "ＡＢＣ全角保持原样", "“引号”和——破折号……", "1 & 2"])
def test_what_the_author_wrote_stays(text: str) -> None:
    assert normalise(text, NormaliseConfig()) == text


def test_switched_off_parts_do_nothing() -> None:
    config = NormaliseConfig(mojibake=False, html=False, page_lines=False)
    assert normalise("<p>A&amp;B</p>\n责任编辑：小林", config) == "<p>A&amp;B</p>\n责任编辑：小林"


@pytest.mark.parametrize(
    "line",
    ["责任编辑：小林", "分享到：微信 微博", "上一篇：没有了　下一篇：返回列表", "版权声明：未经授权不得转载",
     "首页 > 资讯 > 正文", "扫描二维码下载客户端", "来源：本站综合　阅读：1024 次", "【广告】全场八折，点击领取",
     "联系人：王先生，电话 13800000000", "Copyright 2024 example.com"],
)  # fmt: skip
def test_page_lines(line: str) -> None:
    assert is_page_line(line)
    assert normalise(f"{TEXT * 3}\n{line}", NormaliseConfig()) == TEXT * 3


@pytest.mark.parametrize(
    "line", ["本文来源广泛，编辑认真。", "他分享到的经验很多。", "声明一下立场", TEXT, "首页设计得很好"]
)
def test_sentences_that_only_mention_such_things_stay(line: str) -> None:
    assert not is_page_line(line)


def test_lines_are_left_where_little_else_would_be() -> None:
    assert drop_lines("责任编辑：小林\n短", is_page_line) == "责任编辑：小林\n短"
    assert drop_lines("责任编辑：小林", is_page_line) == "责任编辑：小林"


@given(st.text(alphabet=st.sampled_from("中文。，ab \t\u3000\u00a0\n\r\u200b")))
def test_tidying_twice_changes_nothing_more(text: str) -> None:
    once = tidy_spaces(text)
    assert tidy_spaces(once) == once


@given(st.text(alphabet=st.sampled_from("中文。ab <>&;/p"), max_size=60))
def test_html_stripping_only_takes_away(text: str) -> None:
    assert len(strip_html(text)) <= len(text)


_CODECS = ["latin-1", "cp1250", "cp1251", "cp1252", "cp1253", "cp1254", "cp1257", "mac_roman", "cp437", "iso8859-2"]


@settings(deadline=None, max_examples=300)
@given(
    st.text(st.one_of(st.characters(codec="utf-8"), st.sampled_from("中文银行·é“”…— ℃\xa0ąñ")), max_size=8),
    st.sampled_from(_CODECS),
    st.integers(0, 2),
)
def test_what_is_not_looked_at_needs_no_mending(text: str, codec: str, times: int) -> None:
    """`mend_mojibake` passes most texts over without asking ftfy: it must not pass over one that ftfy would change."""
    for _ in range(times):
        text = text.encode().decode(codec, "ignore")
    assert mend_mojibake(text) == ftfy.fix_text(text, _ftfy_config())
