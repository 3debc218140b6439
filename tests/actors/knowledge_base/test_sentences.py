import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.knowledge_base.sentences import sentences


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("挂失免费。补卡十元！", ["挂失免费。", "补卡十元！"]),
        ("他说：“可以。”然后走了。", ["他说：“可以。”", "然后走了。"]),
        ("费率为3.5%，版本v1.2可用。", ["费率为3.5%，版本v1.2可用。"]),
        ("第一段\n\n第二段", ["第一段", "第二段"]),
        ("要求：\n- 身份证\n- 银行卡", ["要求：", "- 身份证", "- 银行卡"]),
        ("Call us. We help.", ["Call us.", "We help."]),
        ("", []),
    ],
)
def test_sentences(text: str, parts: list[str]) -> None:
    assert [text[a:b] for a, b in sentences(text)] == parts


@given(st.text(alphabet="挂失。！？\n .5a-|”", max_size=100))
def test_sentences_leave_out_nothing_but_blanks(text: str) -> None:
    assert "".join("".join(text[a:b].split()) for a, b in sentences(text)) == "".join(text.split())
