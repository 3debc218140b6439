"""Annotated utterances: what they are, and what makes a set of them fit to learn from. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from actors.intent_model.spans import Span
from danlu.errors import InputError

_SHOWN = 5


@dataclass(frozen=True)
class Utterance:
    """One annotated utterance. `source` is its place in the input (`utterances.jsonl:12`)."""

    text: str
    intent: str
    spans: tuple[Span, ...]
    source: str


def check_spans(text: str, slots: Sequence[tuple[str, int, int, str]]) -> Iterator[str]:
    """What is wrong with the slots (name, start, end, value) of `text`, in words; nothing when all is well."""
    for name, start, end, value in slots:
        place = f"slot {name} [{start}:{end}]"
        if not 0 <= start < end <= len(text):
            yield f"{place} does not lie in the text, which has {len(text)} characters"
        elif text[start:end] != value:
            yield f"{place} is {text[start:end]!r} in the text, but value is {value!r}{_hint(text, value)}"
        elif value != value.strip():
            yield f"{place} is {value!r}, with white space at its edge"
    ordered = sorted((start, end, name) for name, start, end, _ in slots)
    for (_, end, name), (start, _, other) in itertools.pairwise(ordered):
        if start < end:
            yield f"slots {name} and {other} overlap"


def _hint(text: str, value: str) -> str:
    found = text.find(value) if value else -1
    return f" (which stands at [{found}:{found + len(value)}])" if found >= 0 else " (which the text does not contain)"


def refuse(problems: Sequence[str], key: str) -> None:
    """Raise when there are problems with the utterances that the config's `key` names.

    Raises:
        InputError: with the first few problems and their number.
    """
    if problems:
        more = [f"... and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else []
        raise InputError(
            f"{key} has {len(problems)} wrong annotations",
            rule="\n  ".join(["", *problems[:_SHOWN], *more]),
            fix="mend these lines; text[start:end] must equal value, in characters, end exclusive",
        )


def find_contradictions(utterances: Iterable[Utterance]) -> list[str]:
    """Texts that stand twice with different annotations."""
    first: dict[str, Utterance] = {}
    problems = []
    for utterance in utterances:
        earlier = first.setdefault(utterance.text, utterance)
        if (earlier.intent, earlier.spans) != (utterance.intent, utterance.spans):
            what = f"{earlier.intent} and {utterance.intent}" if earlier.intent != utterance.intent else "other slots"
            problems.append(
                f"{utterance.source}: {utterance.text!r} is annotated otherwise in {earlier.source} ({what})"
            )
    return problems


def require_two_intents(utterances: Sequence[Utterance]) -> None:
    """Raise InputError when there are no two intents to tell apart."""
    intents = sorted({utterance.intent for utterance in utterances})
    if len(intents) < 2:
        raise InputError(f"input has only the intent {intents[0]!r}", rule="a model tells two or more intents apart")


def require_length(utterances: Sequence[Utterance], max_characters: int) -> None:
    """Raise InputError when texts are longer than `max_characters`: their ends would be lost unseen."""
    long = [utterance for utterance in utterances if len(utterance.text) > max_characters]
    if long:
        longest = max(len(utterance.text) for utterance in long)
        raise InputError(
            f"max_characters is {max_characters}",
            rule=f"{len(long)} utterances are longer, the first {long[0].source}, the longest {longest} characters",
            fix=f"set max_characters={longest}, or shorten them",
        )
