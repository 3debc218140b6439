"""When no template fits as it is: small expressions over blocks and templates, searched for in the sandbox."""

from __future__ import annotations

import ast
import cmath
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actors.sandbox import Call, Limits, Sandbox, parse_literal
from serve_apps.code_generation import enumeration, forms, kinds
from serve_apps.code_generation.annotations import wanted_kind
from serve_apps.code_generation.block import Block
from serve_apps.code_generation.blocks import BLOCKS
from serve_apps.code_generation.bodies import ITEM
from serve_apps.code_generation.catalogue import Template
from serve_apps.code_generation.coverage import Coverage
from serve_apps.code_generation.instantiate import from_expression, helper_source, private
from serve_apps.code_generation.ranking import by_words
from serve_apps.code_generation.requirement import Requirement

_DEFAULT_CONSTANTS: tuple[Any, ...] = (0, 1, 2, "", " ", ",")
_UNNAMED = 2  # what each concept costs that a block has and the requirement does not name
_MOST_BLOCK_COST = 6
_MOST_COST = 14
_MOST_TEMPLATES = 16
_LEAST_WORDS = 0.1
_GIVEN = {"bool": "condition", "int": "number", "float": "number", "str": "text"}
_TEMPLATE_CALL = re.compile(r"(?<![\w.])(_[a-z]\w*)\(")


@dataclass(frozen=True)
class Composed:
    """An expression that gives the expected values of all examples, as code; `marks` as in coverage.py."""

    code: str
    expression: str
    cost: int
    marks: int


def compose(requirement: Requirement, limits: Limits, sandbox: Sandbox, most_tried: int) -> list[Composed]:
    """Expressions that satisfy all examples, cheapest first.

    Takes up to `limits.seconds` of CPU time, and on a busy machine three times as long. Without examples there is
    nothing to search for.
    """
    if not requirement.examples or not requirement.signature.parameters:
        return []
    templates = [template for template, words in by_words(requirement)[:_MOST_TEMPLATES] if words >= _LEAST_WORDS]
    task = search_task(requirement, templates, most_tried, cpu_seconds=limits.seconds)
    patient = limits.model_copy(update={"seconds": 3 * limits.seconds + 1})
    outcome = sandbox.run_calls(_search_program(), "search", [Call((task,))], patient).outcomes[0]
    found = parse_literal(outcome.value_repr) if outcome.ok else []
    return [Composed(_code(text, requirement, templates), text, cost, marks) for cost, marks, text in found]


def search_task(
    requirement: Requirement, templates: Sequence[Template], most_tried: int, cpu_seconds: float
) -> dict[str, Any]:
    """What `enumeration.search` is given: all plain values."""
    coverage = Coverage(requirement)
    loop = next(name for name in ("item", "each", "element") if name not in requirement.signature.names)
    variables = [
        (name, values, coverage.of_parameter(place))
        for place, name in enumerate(requirement.signature.names)
        if len(values := requirement.argument_values(place)) == len(requirement.examples)
    ]
    constants = [(repr(v), v, 1, coverage.of_constant(place)) for place, v in enumerate(requirement.constants)]
    constants += [(repr(field), field, 2, 0) for field in requirement.fields if field not in requirement.constants]
    constants += [(repr(v), v, 3, 0) for v in _DEFAULT_CONSTANTS if v not in requirement.constants]
    return {
        "helpers": "import heapq, math, re, statistics\n" + helper_source(templates),
        "variables": variables,
        "constants": constants,
        "blocks": [
            (block.expression.replace(ITEM, loop), list(block.takes), cost, marks)
            for block, cost, marks in priced_blocks(coverage, templates)
        ],
        "expected": requirement.expected_values(),
        "variable_marks": coverage.all_parameters,
        "weights": coverage.weights,
        "most_cost": _MOST_COST,
        "most_tried": most_tried,
        "most_found": 8,
        "cpu_seconds": cpu_seconds,
    }


def priced_blocks(coverage: Coverage, templates: Sequence[Template]) -> Iterator[tuple[Block, int, int]]:
    """(block, cost, marks) of every block that the requirement makes likely enough."""
    own = {private(template.name): coverage.of_template(template) for template in templates}
    for block in (*BLOCKS, *forms.higher_order(_template_bodies(templates)), *_template_blocks(templates)):
        cost = block.cost + _UNNAMED * len(block.concepts - coverage.named)
        if cost <= _MOST_BLOCK_COST:
            called = _TEMPLATE_CALL.search(block.expression)
            yield block, cost, coverage.of_concepts(block.concepts) | (own[called[1]] if called else 0)


def information(value: Any) -> float:
    """Roughly how many bits a value holds: one for a truth value, about three for a digit or a character."""
    if value is None or isinstance(value, bool):
        return 1.0
    if isinstance(value, int):
        return 2.0 + math.log2(1 + abs(value))
    if isinstance(value, float | complex):
        return 2.0 + math.log2(1 + abs(value)) if cmath.isfinite(value) else 2.0
    if isinstance(value, str | bytes):
        return 2.0 + 3.0 * len(value)
    items = value.items() if isinstance(value, dict) else value
    return 2.0 + sum(information(item) for item in items)


def _template_blocks(templates: Sequence[Template]) -> Iterator[Block]:
    """Templates as blocks, with and without the parameters that have defaults."""
    for place, template in enumerate(templates):
        parameters = template.signature.parameters
        for count in range(template.required, len(parameters) + 1):
            arguments = ", ".join(f"{{{index}}}" for index in range(count))
            takes = tuple(wanted_kind(parameter.type) for parameter in parameters[:count])
            if takes:
                yield Block(f"{private(template.name)}({arguments})", takes, cost=_rank_cost(place))


def _template_bodies(templates: Sequence[Template]) -> Iterator[Block]:
    """Templates of one parameter, to be applied to each item of a collection."""
    for place, template in enumerate(templates):
        parameters = template.signature.parameters
        kind = wanted_kind(parameters[0].type) if parameters and template.required == 1 else ""
        if kind in ("int", "num", "str", "seq"):
            gives = _GIVEN.get(template.signature.returns, "value")
            yield Block(f"{private(template.name)}({ITEM})", (kind,), cost=_rank_cost(place) - 1, gives=gives)


def _rank_cost(place: int) -> int:
    return 2 if place < 3 else 3 if place < 8 else 4


def _code(expression: str, requirement: Requirement, templates: Sequence[Template]) -> str:
    used = {node.id for node in ast.walk(ast.parse(expression, mode="eval")) if isinstance(node, ast.Name)}
    return from_expression(
        expression, requirement.signature, [template for template in templates if private(template.name) in used]
    )


def _search_program() -> str:
    """The search as one module for the sandbox, which has the standard library alone."""
    sources = (Path(str(module.__file__)).read_text(encoding="utf-8") for module in (kinds, enumeration))
    return re.sub(r"^from serve_apps\..*$", "", "\n".join(sources), flags=re.MULTILINE)
