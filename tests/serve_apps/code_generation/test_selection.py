"""Which candidate to return, and whether to believe it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from serve_apps.code_generation.catalogue import catalogue
from serve_apps.code_generation.composition import Composed
from serve_apps.code_generation.coverage import Coverage
from serve_apps.code_generation.examples import parse_example
from serve_apps.code_generation.requirement import read_requirement
from serve_apps.code_generation.selection import Choice, best, composed_choice

BY_NAME = {template.name: template for template in catalogue()}


def coverage(text: str, *examples: tuple[str, object]) -> Coverage:
    return Coverage(read_requirement(text, None, [parse_example(call, value) for call, value in examples]))


def choice(cost: float, left_over: float, bits: float = 100.0) -> Choice:
    return Choice("composition", "x", f"code {cost}", cost, left_over, bits)


def test_words_that_are_left_over_cost_as_much_as_code() -> None:
    simple, complete = choice(3, 2), choice(4, 0)
    assert best([simple, complete]) is complete


def test_what_chance_explains_as_well_is_not_believed() -> None:
    assert best([choice(5, 0, bits=5.0)]) is None
    assert best([]) is None


@given(st.lists(st.tuples(st.floats(1, 9), st.floats(0, 9), st.floats(0, 40)), max_size=6))
def test_the_best_is_believed_and_no_believed_one_is_better(numbers: list[tuple[float, float, float]]) -> None:
    choices = [choice(*given) for given in numbers]
    chosen = best(choices)
    believed = [c for c in choices if c.is_explained]
    assert (chosen is None) == (not believed)
    assert chosen is None or all(chosen.total <= other.total for other in believed)


def test_templates_account_for_their_own_words() -> None:
    found = coverage("count the inversions of an array", ("f([2, 1])", 1))
    assert found.left_over(found.of_template(BY_NAME["count_inversions"])) < found.left_over(0)
    assert found.left_over(found.of_template(BY_NAME["unique"])) > found.left_over(
        found.of_template(BY_NAME["count_inversions"])
    )


def test_every_constant_and_parameter_has_a_bit_of_its_own() -> None:
    found = coverage("numbers between 3 and 7 that are even", ("f([4], 1)", [4]))
    bits = [bit for bit, _ in found.weights]
    assert len(set(bits)) == len(bits) and sum(bits) == (1 << len(bits)) - 1
    assert found.left_over(sum(bits)) == 0 and found.left_over(0) == found.weight


def test_more_examples_make_the_same_expression_more_credible() -> None:
    few = coverage("is it even", ("f(2)", True))
    many = coverage("is it even", ("f(2)", True), ("f(3)", False), ("f(10)", True))
    composed = Composed("", "n % 2 == 0", 2, few.of_concepts(frozenset({"even"})))
    assert composed_choice(composed, few).bits < composed_choice(composed, many).bits
