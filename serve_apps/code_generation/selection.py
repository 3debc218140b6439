"""Which of several candidates that hold all examples to return, and whether to believe it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from serve_apps.code_generation.composition import Composed, information
from serve_apps.code_generation.coverage import Coverage
from serve_apps.code_generation.ranking import Candidate

SURE_WORDS = 0.5  # a template this similar, whose examples hold, is taken at once
# How evidence is weighed, in bits: a logistic fit to what held further tests in the training split of MBPP (601-974).
_MOST_INFORMATION, _BITS_PER_EXAMPLE, _PRIOR = 24.0, 3.0, 8.0
_BITS_PER_COST, _BITS_LEFT_OVER, _BITS_OF_WORDS = 2.4, 13.0, 20.0


@dataclass(frozen=True)
class Choice:
    """Code that holds all examples: `cost` is its length in units of the search, `bits` what speaks for it."""

    method: str
    name: str
    code: str
    cost: float
    left_over: float
    bits: float

    @property
    def total(self) -> float:
        return self.cost + self.left_over

    @property
    def is_explained(self) -> bool:
        """Whether examples and words say more than was free to choose; else the fit is more likely chance than not."""
        return self.bits >= _BITS_PER_COST * self.cost


def template_choice(candidate: Candidate, code: str, coverage: Coverage) -> Choice:
    """A template that holds all examples."""
    sources = candidate.binding.sources
    marks = coverage.of_template(candidate.template)
    constants = [repr(constant) for constant in coverage.requirement.constants]
    for source in sources:
        if isinstance(source, int):
            marks |= coverage.of_parameter(source)
        elif source in constants:
            marks |= coverage.of_constant(constants.index(source))
    cost = 1 + len(sources) + 5 * (1 - candidate.words)
    left_over = coverage.left_over(marks)
    bits = _bits(coverage, left_over) + _BITS_OF_WORDS * candidate.words
    return Choice("template", candidate.template.name, code, cost, left_over, bits)


def composed_choice(composed: Composed, coverage: Coverage) -> Choice:
    """An expression that holds all examples."""
    left_over = coverage.left_over(composed.marks)
    bits = _bits(coverage, left_over)
    return Choice("composition", composed.expression, composed.code, composed.cost, left_over, bits)


def best(choices: Sequence[Choice]) -> Choice | None:
    """The choice that leaves least unexplained for its cost, among those that are more than chance."""
    believed = [choice for choice in choices if choice.is_explained]
    return min(believed, key=lambda choice: (choice.total, len(choice.code)), default=None)


def _bits(coverage: Coverage, left_over: float) -> float:
    """What speaks for a candidate: the examples, by number and content, less the share of the words left over."""
    values = {repr(value): information(value) for value in coverage.requirement.expected_values()}
    informed = min(sum(values.values()), _MOST_INFORMATION)
    examples = _BITS_PER_EXAMPLE * len(coverage.requirement.examples)
    return _PRIOR + informed + examples - _BITS_LEFT_OVER * left_over / max(coverage.weight, 1.0)
