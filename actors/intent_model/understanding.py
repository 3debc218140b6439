"""What the intent model makes of one utterance."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Slot:
    """A value that the customer named: `text[start:end] == value`, in characters of the text as it was given."""

    name: str
    start: int
    end: int
    value: str


@dataclass(frozen=True)
class Understanding:
    """The intent of an utterance, how sure the model is of it, and the slots in order of appearance.

    Attributes:
        confidence: calibrated probability of `intent`, 0..1.
        alternatives: the next likely intents with their probabilities, most likely first; `intent` is not among them.
    """

    intent: str
    confidence: float
    slots: tuple[Slot, ...] = ()
    alternatives: tuple[tuple[str, float], ...] = ()

    def slot(self, name: str) -> Slot | None:
        """The first slot called `name`, or None."""
        return next((slot for slot in self.slots if slot.name == name), None)
