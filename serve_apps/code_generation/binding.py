"""How a template's parameters are filled: by the wanted function's parameters, constants of the text, or defaults."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from serve_apps.code_generation.annotations import kinds_of_annotation, wanted_kind
from serve_apps.code_generation.catalogue import Template
from serve_apps.code_generation.kinds import kinds_of
from serve_apps.code_generation.requirement import Requirement

_OUTER_KINDS = ("bool", "int", "num", "str", "list", "tuple", "set", "dict", "none")
_MOST_BINDINGS = 4
_MOST_PARAMETERS = 6


@dataclass(frozen=True)
class Binding:
    """For each parameter of the template: the place of the wanted function's parameter, or a literal's text."""

    sources: tuple[int | str, ...]
    fit: float

    def is_plain(self, parameters: int) -> bool:
        """Whether the parameters are just passed on in their order."""
        return self.sources == tuple(range(parameters))


def bindings(template: Template, requirement: Requirement) -> list[Binding]:
    """The best ways to fill the template's parameters, best first; none when the types can't fit."""
    given = len(requirement.signature.parameters)
    if not returns_fit(template, requirement) or given > _MOST_PARAMETERS:
        return []
    found = itertools.islice(_assignments(template, requirement), 200)
    rated = [Binding(sources, _fit(sources, template, requirement)) for sources in found]
    return sorted(rated, key=lambda binding: -binding.fit)[:_MOST_BINDINGS]


def returns_fit(template: Template, requirement: Requirement) -> bool:
    """Whether what the template returns can be what the examples expect."""
    expected = [kinds_of(value) for value in requirement.expected_values()]
    offered = kinds_of_annotation(template.signature.returns)
    if offered is None or not expected:
        return True
    return all(_same_outer(offered, kinds) for kinds in expected)


def _same_outer(offered: frozenset[str], expected: frozenset[str]) -> bool:
    if "num" in offered and "num" in expected:
        return True
    return any(kind in offered and kind in expected for kind in _OUTER_KINDS)


def _assignments(template: Template, requirement: Requirement) -> Iterator[tuple[int | str, ...]]:
    """All ways in which each of the wanted function's parameters is used at most once."""
    given = range(len(requirement.signature.parameters))
    choices: list[list[int | str]] = []
    defaults = len(template.signature.parameters) - len(template.defaults)
    for place, parameter in enumerate(template.signature.parameters):
        wanted = wanted_kind(parameter.type)
        options: list[int | str] = [g for g in given if _accepts(wanted, requirement.argument_kinds(g))]
        known = (*requirement.constants, *requirement.fields)
        options += [repr(constant) for constant in known if wanted in kinds_of(constant) and wanted != "any"]
        if place >= defaults:
            options.append("default")
        choices.append(options)
    for sources in itertools.product(*choices):
        used = [source for source in sources if isinstance(source, int)]
        if len(set(used)) == len(used) and (used or not given):
            yield sources


def _accepts(wanted: str, kinds: frozenset[str]) -> bool:
    return not kinds or wanted in kinds


def _fit(sources: tuple[int | str, ...], template: Template, requirement: Requirement) -> float:
    """1 when all parameters are passed on in order; less for each left over, made up or out of order."""
    given = len(requirement.signature.parameters)
    used = [source for source in sources if isinstance(source, int)]
    unused = given - len(used)
    constants = sum(isinstance(source, str) and source != "default" for source in sources)
    disorder = sum(a > b for a, b in itertools.combinations(used, 2))
    return 1.0 - 0.3 * unused - 0.15 * constants - 0.1 * disorder
