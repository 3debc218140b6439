"""Plans mirror the code to be written, in the language of the requirement."""

from __future__ import annotations

import pytest

from serve_apps.code_generation.concepts import CONCEPTS, find_concepts, find_mentions
from serve_apps.code_generation.plan import Plan, make_plan
from serve_apps.code_generation.requirement import read_requirement


def plan(text: str) -> Plan:
    return make_plan(read_requirement(text))


def test_a_filter_and_a_sum_in_chinese() -> None:
    made = plan("编写函数 f(numbers)，返回列表中大于 10 的偶数之和。例如 f([1, 12]) 返回 12")
    assert made.outline().splitlines() == [
        "- 输入 numbers (list[int])",
        "- 遍历 numbers",
        "  - 保留偶数",
        "  - 与下限比较",
        "- 求和",
        "- 返回结果 (int)",
    ] or set(made.outline().splitlines()) >= {"- 遍历 numbers", "  - 保留偶数", "- 求和"}
    assert [step.kind for step in made.steps] == ["input", "loop", "reduce", "return"]
    assert made.constants == ("10",) and made.returns == "int"
    assert made.shape() == {"input", "loop", "filter", "reduce", "return"}


def test_the_same_in_english() -> None:
    made = plan("f(numbers): the sum of the even numbers greater than 10, f([1, 12]) == 12")
    assert [step.concept for step in made.steps if step.concept] == ["sum"]
    assert {step.concept for step in made.steps[1].steps} == {"even", "greater"}


def test_single_values_have_no_loop() -> None:
    made = plan("f(a, b): add two numbers, f(1, 2) == 3")
    assert "loop" not in made.shape()
    assert [step.kind for step in made.steps] == ["input", "input", "map", "return"]


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("把单词列表按长度从大到小排序 g(words)，g(['a', 'bb']) 返回 ['bb', 'a']", {"sort"}),
        ("判断 g(n) 是否为质数，g(7) == True", {"condition", "filter"}),
        ("group the words by first letter, g(['a']) == {'a': ['a']}", {"group"}),
        ("split the text at commas and reverse the parts, g('a,b') == ['b', 'a']", {"parse", "map"}),
        ("find the index of the largest number, g([1, 3]) == 1", {"search", "reduce"}),
    ],
)
def test_steps_have_the_kind_of_what_the_text_names(text: str, kinds: set[str]) -> None:
    assert kinds <= plan(text).shape()


def test_a_plan_is_plain_json_and_back() -> None:
    made = plan("求 f(numbers) 的最大值，f([1]) == 1")
    assert Plan.model_validate_json(made.model_dump_json()) == made


def test_concepts_are_whole_and_unique() -> None:
    assert len({concept.name for concept in CONCEPTS}) == len(CONCEPTS)
    for concept in CONCEPTS:
        assert all((concept.english, concept.chinese, concept.phrase, concept.chinese_phrase)), concept.name


def test_words_that_overlap_are_one_mention() -> None:
    mentions = find_mentions("the sum of even numbers")
    assert [{concept.name for concept in mention} for mention in mentions] == [{"sum", "add"}, {"even"}]


def test_words_inside_other_words_are_no_concepts() -> None:
    assert "sort" not in {concept.name for concept in find_concepts("a resort of consortia")}
