import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_apps.customer_service.rewriting import follows_up, queries
from serve_apps.customer_service.state import Topic

LOSS = Topic(question="借记卡丢了怎么办", title="借记卡挂失与补办")
ROAMING = Topic(question="去日本漫游一天多少钱", title="国际漫游开通与资费")


@pytest.mark.parametrize(
    ("question", "topic", "context", "tried"),
    [
        # What can't stand alone is only tried whole.
        ("那多久生效？", LOSS, "", ["+借记卡挂失与补办 多久生效？"]),
        ("需要什么材料", LOSS, "", ["+借记卡挂失与补办 需要什么材料"]),
        ("这个要收费吗", LOSS, "", ["+借记卡挂失与补办 要收费吗"]),
        ("那欧洲呢？", ROAMING, "", ["+欧洲 去日本漫游一天多少钱", "+欧洲 国际漫游开通与资费"]),
        ("韩国呢", ROAMING, "", ["+韩国 去日本漫游一天多少钱", "+韩国 国际漫游开通与资费"]),
        ("要收手续费吗？", None, "银行卡挂失", ["+银行卡挂失 要收手续费吗？"]),
        ("要收手续费吗？", ROAMING, "银行卡挂失", ["+银行卡挂失 要收手续费吗？"]),
        # A short subject may be one of its own.
        ("违约金多少", LOSS, "", ["违约金多少", "+借记卡挂失与补办 违约金多少"]),
        ("那信用卡怎么激活？", LOSS, "", ["信用卡怎么激活？", "+借记卡挂失与补办 信用卡怎么激活？"]),
        # A long question is left alone, and so is any without something before it.
        ("云杉信用卡的年费怎么减免？", LOSS, "", ["云杉信用卡的年费怎么减免？"]),
        ("多久生效？", None, "", ["多久生效？"]),
    ],
)
def test_queries(question: str, topic: Topic | None, context: str, tried: list[str]) -> None:
    assert [("+" if query.rewritten else "") + query.text for query in queries(question, topic, context)] == tried


def test_the_subject_of_their_own_is_kept_apart() -> None:
    assert [query.own for query in queries("违约金多少", LOSS)] == ["", "违约金"]
    assert [query.own for query in queries("什么时候生效", LOSS)] == ["生效"]
    assert [query.own for query in queries("需要什么材料", LOSS)] == [""]


@pytest.mark.parametrize("text", ["那欧洲呢？", "那短信呢", "韩国呢", "还有违约金", "那多久生效？"])
def test_follow_ups_by_form(text: str) -> None:
    assert follows_up(text)


@pytest.mark.parametrize("text", ["那个套餐月租多少钱", "我要挂失", "流量用超了怎么收费呢？", "呢"])
def test_no_follow_ups_by_form(text: str) -> None:
    assert not follows_up(text)


@given(st.text(min_size=1, max_size=80))
def test_without_a_context_nothing_changes(question: str) -> None:
    assert [query.text for query in queries(question, None)] == [question]


@given(st.text(min_size=1, max_size=80))
def test_every_question_is_looked_up(question: str) -> None:
    for query in queries(question, LOSS):
        assert query.text
        assert len(query.text) <= len(question) + len(LOSS.question) + len(LOSS.title) + 1
