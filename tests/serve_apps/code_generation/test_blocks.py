"""Building blocks of the search: each is an expression that works on what it says it takes."""

from __future__ import annotations

import heapq
import math
import re
import statistics

import pytest

from serve_apps.code_generation.block import Block
from serve_apps.code_generation.blocks import BLOCKS
from serve_apps.code_generation.bodies import BODIES, ITEM
from serve_apps.code_generation.concepts import CONCEPTS
from serve_apps.code_generation.forms import higher_order
from serve_apps.code_generation.kinds import kinds_of

MODULES = {"heapq": heapq, "math": math, "re": re, "statistics": statistics}
# Values to try at each place, by kind; of some blocks only one works (an index that exists, a text of digits).
SAMPLES: dict[str, list[object]] = {
    "any": [1, "a", [1]],
    "int": [2, 1, 0, 60],
    "num": [2.5, 3],
    "bool": [True],
    "str": ["a", "101", "bab"],
    "seq": [["p", "q", "p"], (1, 2)],
    "iter": [[1, 2], ["x"], [(1, 2)]],
    "list": [[1, 2]],
    "tuple": [(1, 2)],
    "set": [{1}],
    "dict": [{"a": 1, "b": 2}],
    "dict_ints": [{"a": 4}],
    "dict_strs": [{"k": "ab"}, {"k": "12"}],
    "dict_nums": [{"a": 1}],
    "dict_rows": [{"a": [1, 2]}],
    "dict_grids": [{"a": [1, 2]}],
    "dict_records": [{"a": {"a": 1}}],
    "ints": [[4, 9]],
    "nums": [[1.5, 2]],
    "bools": [[True]],
    "strs": [["ab", "c"], ["12"]],
    "rows": [[[1, 2], [3, 4]], [(1, 2), (3, 4)]],
    "grids": [[[1, 2], [3, 4]], [(1, 2), (3, 4)]],
    "pairs": [[("a", 1)]],
    "records": [[{"k": 1}], [{"a": 1}]],
}


def tries(block: Block) -> list[list[object]]:
    lists: list[list[object]] = [[]]
    for kind in block.takes:
        lists = [[*given, value] for given in lists for value in SAMPLES[kind]]
    return lists


def works(block: Block) -> bool:
    places = [f"a{place}" for place in range(len(block.takes))]
    function = eval(f"lambda {', '.join(places)}: {block.expression.format(*places)}", dict(MODULES))
    for given in tries(block):
        try:
            function(*given)
        except (ArithmeticError, IndexError, KeyError, TypeError, ValueError):
            continue
        return True
    return False


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.expression)
def test_a_block_works_on_some_value_of_the_kinds_that_it_takes(block: Block) -> None:
    assert works(block)


def test_every_form_works_with_every_body() -> None:
    made = list(higher_order())
    assert len(made) > 800
    wrong = [block.expression for block in made if not works(block)]
    assert not wrong, wrong


def test_samples_are_of_their_kinds() -> None:
    for kind, values in SAMPLES.items():
        assert all(kind in kinds_of(value) for value in values), kind


def test_blocks_name_concepts_that_exist() -> None:
    names = {concept.name for concept in CONCEPTS}
    for block in (*BLOCKS, *BODIES):
        assert block.concepts <= names, block.expression


def test_bodies_speak_of_an_item() -> None:
    assert all(ITEM in block.expression for block in BODIES)
