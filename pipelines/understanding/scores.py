"""How well intents and slots are understood. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from actors.intent_model.spans import Span


@dataclass(frozen=True)
class Answer:
    """What was annotated, and what the model found."""

    intent: str
    found_intent: str
    spans: tuple[Span, ...]
    found_spans: tuple[Span, ...]

    @property
    def whole(self) -> bool:
        """Whether the intent and every slot are right."""
        return self.intent == self.found_intent and set(self.spans) == set(self.found_spans)


@dataclass(frozen=True)
class Counts:
    """Hits, false alarms and misses of one class or slot."""

    hits: int
    false_alarms: int
    misses: int

    @property
    def precision(self) -> float:
        """Share of what was found that is right; 1 when nothing was found."""
        return self.hits / (self.hits + self.false_alarms) if self.hits + self.false_alarms else 1.0

    @property
    def recall(self) -> float:
        """Share of what is there that was found; 1 when nothing is there."""
        return self.hits / (self.hits + self.misses) if self.hits + self.misses else 1.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 1 when there is nothing and nothing was found."""
        total = 2 * self.hits + self.false_alarms + self.misses
        return 2 * self.hits / total if total else 1.0


@dataclass(frozen=True)
class Scores:
    """Shares of utterances, 0..1, and slot F1: a slot counts when name, start and end are all right."""

    intent_accuracy: float
    slot_f1: float
    sentence_accuracy: float


def score(answers: Sequence[Answer]) -> Scores:
    """The scores of at least one answer."""
    right = sum(answer.intent == answer.found_intent for answer in answers)
    whole = sum(answer.whole for answer in answers)
    slots = sum_up(slot_counts(answers).values())
    return Scores(right / len(answers), slots.f1, whole / len(answers))


def intent_counts(answers: Iterable[Answer]) -> dict[str, Counts]:
    """Counts for every intent that was annotated or found, by name."""
    there: Counter[str] = Counter()
    found: Counter[str] = Counter()
    hits: Counter[str] = Counter()
    for answer in answers:
        there[answer.intent] += 1
        found[answer.found_intent] += 1
        hits[answer.intent] += answer.intent == answer.found_intent
    return _counts(there, found, hits)


def slot_counts(answers: Iterable[Answer]) -> dict[str, Counts]:
    """Counts for every slot that was annotated or found, by name."""
    there: Counter[str] = Counter()
    found: Counter[str] = Counter()
    hits: Counter[str] = Counter()
    for answer in answers:
        there.update(name for name, _, _ in answer.spans)
        found.update(name for name, _, _ in answer.found_spans)
        hits.update(name for name, _, _ in set(answer.spans) & set(answer.found_spans))
    return _counts(there, found, hits)


def sum_up(counts: Iterable[Counts]) -> Counts:
    """All of them together."""
    every = list(counts)
    return Counts(sum(c.hits for c in every), sum(c.false_alarms for c in every), sum(c.misses for c in every))


def confusions(answers: Iterable[Answer]) -> list[tuple[str, str, int]]:
    """(annotated intent, found intent, how often) of all wrong intents, most frequent first."""
    wrong = Counter((a.intent, a.found_intent) for a in answers if a.intent != a.found_intent)
    return [(*pair, count) for pair, count in sorted(wrong.items(), key=lambda item: (-item[1], item[0]))]


def _counts(there: Counter[str], found: Counter[str], hits: Counter[str]) -> dict[str, Counts]:
    names = sorted(set(there) | set(found))
    return {name: Counts(hits[name], found[name] - hits[name], there[name] - hits[name]) for name in names}
