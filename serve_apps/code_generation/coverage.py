"""Which parts of a requirement a piece of code accounts for, as bits: ideas, telling words, constants, parameters."""

from __future__ import annotations

import functools
from collections import Counter
from dataclasses import dataclass
from functools import cached_property

from serve_apps.code_generation.catalogue import Template, catalogue
from serve_apps.code_generation.concepts import find_concepts, find_mentions
from serve_apps.code_generation.requirement import Requirement
from serve_apps.code_generation.words import tokens

_UNUSED_MENTION, _UNUSED_WORD, _UNUSED_CONSTANT, _UNUSED_PARAMETER = 1.0, 1.0, 1.0, 0.5
_TELLING_TEMPLATES = 8  # a word of at most so many templates tells them apart from all others


@dataclass(frozen=True)
class Coverage:
    """The bits of one requirement, in this order: mentions of concepts, telling words, constants, parameters."""

    requirement: Requirement

    @cached_property
    def named(self) -> frozenset[str]:
        """The concepts that the text or the function's name mentions."""
        name = self.requirement.signature.name if self.requirement.named else ""
        spaced = " ".join([name.replace("_", " "), *tokens(name)])
        concepts = (*find_concepts(self.requirement.prose), *find_concepts(spaced))
        return frozenset(concept.name for concept in concepts)

    @cached_property
    def mentions(self) -> list[frozenset[str]]:
        """What each place of the text may mean: names of concepts; places that only give a hint are left out."""
        return [
            frozenset(concept.name for concept in mention)
            for mention in find_mentions(self.requirement.prose)
            if any(concept.kind not in ("hint", "search") for concept in mention)
        ]

    @cached_property
    def words(self) -> list[str]:
        """Words of the text that few templates have and no concept covers."""
        known = telling_words()
        return [word for word in dict.fromkeys(tokens(self.requirement.prose)) if word in known]

    def of_concepts(self, names: frozenset[str]) -> int:
        """The mentions that any of the concepts accounts for."""
        return sum(1 << place for place, mention in enumerate(self.mentions) if mention & names)

    def of_template(self, template: Template) -> int:
        """The mentions and words that a template's own words account for."""
        text = f"{template.english} {template.chinese} {template.words}"
        mentions = self.of_concepts(frozenset(concept.name for concept in find_concepts(text)))
        words = sum(1 << place for place, word in enumerate(self.words) if word in template.tokens)
        return mentions | words << len(self.mentions)

    def of_constant(self, place: int) -> int:
        return 1 << (len(self.mentions) + len(self.words) + place)

    def of_parameter(self, place: int) -> int:
        return 1 << (len(self.mentions) + len(self.words) + len(self.requirement.constants) + place)

    @cached_property
    def all_parameters(self) -> int:
        return sum(self.of_parameter(place) for place in range(len(self.requirement.signature.parameters)))

    @cached_property
    def weights(self) -> list[tuple[int, float]]:
        """(bit, what it costs to leave it unexplained, in units of search cost)."""
        prices = [_UNUSED_MENTION] * len(self.mentions) + [_UNUSED_WORD] * len(self.words)
        prices += [_UNUSED_CONSTANT] * len(self.requirement.constants)
        prices += [_UNUSED_PARAMETER] * len(self.requirement.signature.parameters)
        return [(1 << place, price) for place, price in enumerate(prices)]

    def left_over(self, marks: int) -> float:
        """The cost of all that code with these marks leaves unexplained."""
        return sum(weight for bit, weight in self.weights if not marks & bit)

    @property
    def weight(self) -> float:
        """The cost of leaving everything unexplained."""
        return self.left_over(0)


@functools.cache
def telling_words() -> frozenset[str]:
    """Words that only a few templates have and that name no concept."""
    spread = Counter(word for template in catalogue() for word in set(template.tokens))
    rare = (word for word, count in spread.items() if count <= _TELLING_TEMPLATES and len(word) > 1)
    return frozenset(word for word in rare if not find_concepts(word))
