"""New utterances from annotated ones: the same wording with other values. Pure."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from actors.intent_model.spans import Span
from pipelines.understanding.utterances import Utterance

# Shorter numbers carry meaning of their own (the 5 of 5G, the 12 of 12月); longer ones only have a form.
_NUMBER = re.compile(r"\d{4,}")


def collect_values(utterances: Iterable[Utterance]) -> dict[str, list[str]]:
    """All values of each slot, as often as they occur."""
    values: dict[str, list[str]] = {}
    for utterance in utterances:
        for name, start, end in utterance.spans:
            values.setdefault(name, []).append(utterance.text[start:end])
    return values


def swap_values(
    utterance: Utterance, values: Mapping[str, Sequence[str]], share: float, draw: random.Random
) -> Utterance:
    """`utterance` with about `share` of its values exchanged for others of the same slot, long numbers drawn anew."""
    text, position = "", 0
    spans: list[Span] = []
    for name, start, end in utterance.spans:
        value = utterance.text[start:end]
        if draw.random() < share:
            value = _NUMBER.sub(lambda found: _digits(len(found[0]), draw), draw.choice(values[name]))
        text += utterance.text[position:start]
        spans.append((name, len(text), len(text) + len(value)))
        text, position = text + value, end
    return replace(utterance, text=text + utterance.text[position:], spans=tuple(spans))


def _digits(count: int, draw: random.Random) -> str:
    return "".join(draw.choices("0123456789", k=count))
