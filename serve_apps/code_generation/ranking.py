"""Which templates to try first: words, types and the shape of the plan."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from serve_apps.code_generation.binding import Binding, bindings
from serve_apps.code_generation.catalogue import Template, catalogue
from serve_apps.code_generation.plan import Plan
from serve_apps.code_generation.requirement import Requirement
from serve_apps.code_generation.words import Similarity, tokens

_WORDS, _TYPES, _SHAPE = 0.75, 0.15, 0.10
_LEAST_WORDS = 0.08


@dataclass(frozen=True)
class Candidate:
    """A template with one way to fill its parameters; `words` is the lexical part of the score, 0 to 1."""

    template: Template
    binding: Binding
    score: float
    words: float


def rank(requirement: Requirement, plan: Plan) -> list[Candidate]:
    """Candidates whose types fit, best first."""
    candidates = [
        Candidate(template, binding, _score(words, binding, template, plan), words)
        for template, words in by_words(requirement)
        if words >= _LEAST_WORDS
        for binding in bindings(template, requirement)
    ]
    return sorted(candidates, key=lambda candidate: -candidate.score)


def by_words(requirement: Requirement) -> list[tuple[Template, float]]:
    """All templates with their lexical similarity to the requirement, most similar first."""
    name = requirement.signature.name if requirement.named else ""
    scores = _similarity().scores([*tokens(requirement.prose), *tokens(name)])
    return sorted(zip(catalogue(), scores, strict=True), key=lambda pair: -pair[1])


def _score(words: float, binding: Binding, template: Template, plan: Plan) -> float:
    return _WORDS * words + _TYPES * binding.fit + _SHAPE * shape_fit(plan.shape(), template.shape)


def shape_fit(plan: frozenset[str], code: frozenset[str]) -> float:
    """Overlap (Jaccard) of the plan's kinds of steps with those of the code."""
    wanted = plan - {"input", "return"}
    return len(wanted & code) / len(wanted | code) if wanted | code else 0.0


@functools.cache
def _similarity() -> Similarity:
    return Similarity([template.tokens for template in catalogue()])
