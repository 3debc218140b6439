from typing import Any

import pytest

from actors.knowledge_base.knowledge_base import Passage
from actors.knowledge_base.relevance import TermWeights
from serve_apps.customer_service.answers import extract, needed_score, preferred, speaks_of
from serve_apps.customer_service.grounding import grounded

WEIGHTS = TermWeights(10, {})
TEXT = "临时挂失立即生效，有效期5天。正式挂失须到网点办理，手续费10元。金卡免收手续费。营业时间为九点到十七点。"


def passage(text: str = TEXT, **changes: Any) -> Passage:
    values = {
        "chunk_id": "loss:0",
        "document_id": "loss",
        "kind": "text",
        "title": "挂失",
        "heading": "",
        "text": text,
        "question": "",
        "answer": "",
        "start": 0,
        "end": len(text),
        "score": 0.9,
        "relevant": True,
    }
    return Passage(**{**values, **changes})


def test_the_sentence_that_speaks_of_the_question_answers_it() -> None:
    answer = extract("手续费多少", [passage()], WEIGHTS)
    assert answer is not None
    assert answer.text == "正式挂失须到网点办理，手续费10元。金卡免收手续费。"
    assert [c.quote for c in answer.citations] == ["正式挂失须到网点办理，手续费10元。", "金卡免收手续费。"]
    assert {(c.document_id, c.title) for c in answer.citations} == {("loss", "挂失")}


def test_a_pair_is_answered_with_its_answer() -> None:
    pair = passage(
        "**问：** 要钱吗？\n**答：** 不要钱。随时办理。", kind="faq", question="要钱吗？", answer="不要钱。随时办理。"
    )
    answer = extract("要钱吗", [pair], WEIGHTS)
    assert answer is not None
    assert answer.text == "不要钱。随时办理。"
    assert [c.sentence for c in answer.citations] == ["不要钱。", "随时办理。"]
    assert all(c.quote in pair.text for c in answer.citations)


def test_without_a_relevant_passage_there_is_no_answer() -> None:
    assert extract("天气怎么样", [], WEIGHTS) is None


def test_the_intent_model_moves_the_threshold() -> None:
    assert needed_score(0.3, "inside") < needed_score(0.3, "unknown") == 0.3 < needed_score(0.3, "outside") < 1


def test_of_equals_the_passage_of_the_flow_comes_first() -> None:
    other, own = passage(title="信用卡", score=0.5), passage(title="借记卡挂失", score=0.45)
    far = passage(title="银行卡挂失", score=0.2)
    assert preferred([other, own, far], "银行卡挂失", WEIGHTS) == [own, other, far]
    assert preferred([other, own, far], "", WEIGHTS) == [other, own, far]


def test_a_follow_up_needs_an_answer_to_its_own_subject() -> None:
    assert speaks_of(passage(), "金卡呢", "金卡", WEIGHTS)
    assert not speaks_of(passage(), "年费多少", "年费", WEIGHTS)
    assert speaks_of(passage(), "要多少钱", "", WEIGHTS)


@pytest.mark.parametrize(
    ("question", "text", "fits"),
    [
        ("要多少钱", "手续费10元。", True),
        ("要多少钱", "提交后就能使用。", False),
        ("需要什么材料", "带身份证原件办理。", True),
        ("需要什么材料", "用满 1GB 再计下一个 5 元。", False),
        ("多久生效", "次月 1 日生效。", True),
        ("多久生效", "由本人办理。", False),
    ],
)
def test_a_follow_up_needs_an_answer_of_its_kind(question: str, text: str, fits: bool) -> None:
    assert speaks_of(passage(text), question, "", WEIGHTS) is fits


@pytest.mark.parametrize(
    "text",
    [
        "临时挂失立即生效，有效期5天。",
        "正式挂失到网点办理，手续费10元。",
        "正式挂失手续费10元。金卡免收手续费。",
    ],
)
def test_supported_wordings(text: str) -> None:
    answer = grounded(text, [passage("无关内容。", document_id="x"), passage()])
    assert answer is not None
    assert answer.text == text
    assert len(answer.citations) == text.count("。")
    assert all(c.document_id == "loss" and c.quote in TEXT for c in answer.citations)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "手续费20元。",  # another figure
        "正式挂失手续费10元。欢迎下载我们的应用程序领取红包。",  # one sentence from nowhere
        "拨打 VIP 专线办理正式挂失。",  # a Latin word from nowhere
        "临时挂失立即生效，有效期5天。" * 40,
    ],
)
def test_unsupported_wordings(text: str) -> None:
    assert grounded(text, [passage()]) is None


def test_a_negation_needs_one_in_the_source() -> None:
    source = [passage("临时挂失期间可以转入。")]
    assert grounded("临时挂失期间可以转入。", source) is not None
    assert grounded("临时挂失期间不可以转入。", source) is None


def test_nothing_is_grounded_in_nothing() -> None:
    assert grounded("临时挂失立即生效。", []) is None
