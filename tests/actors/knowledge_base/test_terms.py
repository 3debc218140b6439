import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.knowledge_base.terms import question_terms, search_terms


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("银行卡", ["银", "行", "卡", "银行", "行卡"]),
        ("卡", ["卡"]),
        ("5G套餐 Wi-Fi", ["5g", "套", "餐", "套餐", "wi", "fi"]),
        ("ＡＴＭ取款", ["atm", "取", "款", "取款"]),
        ("挂失。解挂", ["挂", "失", "挂失", "解", "挂", "解挂"]),  # no bigram across punctuation
        ("привет你好", ["привет", "你", "好", "你好"]),
        ("，。！", []),
    ],
)
def test_search_terms(text: str, terms: list[str]) -> None:
    assert search_terms(text) == terms


@given(st.text(max_size=200))
def test_terms_hold_no_space(text: str) -> None:
    terms = search_terms(text)
    assert all(term and not any(c.isspace() for c in term) for term in terms)


def test_fillers_are_no_part_of_a_question() -> None:
    assert question_terms("请问一下，挂失需要多少手续费吗？") == search_terms("挂失 手续费")


def test_a_question_of_fillers_alone_keeps_them() -> None:
    assert question_terms("请问一下") == search_terms("请问一下")
