"""Numbers and names in the same surroundings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.cleaning.agreement import compare, facts, same_facts

NOTICE = (
    "{company}股份有限公司2023年第{number}次临时股东大会决议公告。会议于2023年{month}月{day}日在{city}市召开，"
    "由董事长{chairman}先生主持，出席会议的股东共{people}人，所持股份占总数的{share}%，议案获得通过。"
)
ONE = {"company": "永茂汽车科技", "number": 1, "month": 8, "day": 9, "city": "上海", "chairman": "徐宏",
       "people": 17, "share": 61.2}  # fmt: skip
OTHER = {"company": "天鹅棉业机械", "number": 2, "month": 7, "day": 31, "city": "潍坊", "chairman": "王新亭",
         "people": 23, "share": 48.75}  # fmt: skip
TOLD_AGAIN = (
    "据上海市有关方面的消息，永茂汽车科技股份有限公司的临时股东大会于2023年8月9日举行。主持会议的是董事长徐宏先生，"
    "到会股东共17人，所持股份占总数的61.2%。各项议案都获得了通过。"
)


def agree(left: str, right: str) -> bool:
    return same_facts(facts(left), facts(right))


def test_a_notice_of_another_company_states_other_facts() -> None:
    assert not agree(NOTICE.format(**ONE), NOTICE.format(**OTHER))


def test_names_alone_tell_two_notices_apart() -> None:
    names = {key: OTHER[key] for key in ("company", "city", "chairman")}
    assert not agree(NOTICE.format(**ONE), NOTICE.format(**{**ONE, **names}))


def test_numbers_alone_tell_two_notices_apart() -> None:
    numbers = {key: OTHER[key] for key in ("number", "month", "day", "people", "share")}
    assert not agree(NOTICE.format(**ONE), NOTICE.format(**{**ONE, **numbers}))


def test_the_same_told_again_agrees() -> None:
    assert agree(NOTICE.format(**ONE), TOLD_AGAIN)


@pytest.mark.parametrize("key", sorted(OTHER))
def test_one_difference_may_be_a_slip(key: str) -> None:
    assert agree(NOTICE.format(**ONE), NOTICE.format(**{**ONE, key: OTHER[key]}))


def test_when_a_page_was_published_is_no_fact() -> None:
    pages = ["2023-07-22 11:01，正文：{}", "来源：本站 | 2023年08月02日 09:36:24，正文：{}", "8-4 20:36，正文：{}"]
    one, *others = [page.format(TOLD_AGAIN) for page in pages]
    assert all(compare(facts(one).numbers, facts(other).numbers)[1] > 2 for other in others)
    for other in others:
        agreeing, compared = compare(facts(one).numbers, facts(other).numbers)
        assert agreeing == compared


def test_width_script_spaces_and_separators_do_not_matter() -> None:
    one, other = facts("上海市共有1,250人，占61.2%"), facts("上海市 共有 １２５０人，佔６１.２％")
    assert one.names == other.names
    assert compare(one.numbers, other.numbers) == (2, 2)


def test_names_without_the_legal_form_of_a_company() -> None:
    assert facts("潍坊亚星化学股份有限公司").names["有限公司"] == {"亚星化学"}
    assert facts("武汉三特索道集团股份有限公司").names["有限公司"] == {"三特索道"}


def test_words_that_only_look_like_names() -> None:
    assert not facts("股票市场和市民，东部地区和区域，省会").names


@given(st.text(alphabet="市县先生有限公司集团0123456789.,年月日：# 的一是", max_size=60))
def test_a_text_agrees_with_itself(text: str) -> None:
    found = facts(text)
    assert same_facts(found, found)
    for stated in (found.numbers, found.names):
        agreeing, compared = compare(stated, stated)
        assert agreeing == compared == len(stated)


@given(st.text(max_size=40), st.text(max_size=40))
def test_which_text_comes_first_does_not_matter(left: str, right: str) -> None:
    assert agree(left, right) == agree(right, left)
