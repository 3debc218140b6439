"""A reply, while it is made and as it leaves. Plain values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from actors.conversations import Turn
from actors.intent_model.understanding import Understanding
from serve_apps.customer_service.answers import Answer, Citation
from serve_apps.customer_service.decisions import Decision
from serve_apps.customer_service.filling import Message
from serve_apps.customer_service.state import DialogueState

USER, ASSISTANT, AGENT = "user", "assistant", "agent"


@dataclass(frozen=True)
class Reply:
    """An answer to a message. `parts` are its sentences and paragraphs in order; `values` what the flow took in."""

    parts: tuple[str, ...]
    understanding: Understanding
    values: dict[str, str]
    state: DialogueState
    citations: tuple[Citation, ...]
    outcome: str
    position: int


@dataclass
class Draft:
    """A reply under way, to `message`."""

    message: Message
    state: DialogueState
    parts: list[str] = field(default_factory=list)
    values: dict[str, str] = field(default_factory=dict)
    citations: list[Citation] = field(default_factory=list)
    outcome: str = "answered"

    def take(self, decision: Decision) -> None:
        """Go on with what was decided."""
        self.state = decision.state
        self.parts.extend(decision.texts)
        self.values |= decision.values
        self.outcome = decision.outcome

    def cite(self, answer: Answer) -> None:
        """Say what was found."""
        self.parts.append(answer.text)
        self.citations.extend(answer.citations)

    def heard(self) -> Turn:
        """What the customer said."""
        understanding = self.message.understanding
        details = {"intent": understanding.intent, "confidence": round(understanding.confidence, 4)}
        return Turn(USER, self.message.text, {**details, "slots": dict(self.values)})

    def said(self) -> Turn:
        """What the customer is told."""
        details = {"citations": [vars(citation) for citation in self.citations], "outcome": self.outcome}
        return Turn(ASSISTANT, "\n".join(self.parts), details)

    def finished(self, position: int) -> Reply:
        """The reply, whose turn has that position."""
        understanding = self.message.understanding
        citations = tuple(self.citations)
        return Reply(tuple(self.parts), understanding, self.values, self.state, citations, self.outcome, position)


def slots_of(reply: Reply) -> Sequence[dict[str, Any]]:
    """What the message named: values that a flow took in, and else what the intent model tagged, as it was written."""
    taken = [{"name": name, "value": value} for name, value in reply.values.items()]
    tagged = [{"name": s.name, "value": s.value} for s in reply.understanding.slots if s.name not in reply.values]
    return [*taken, *tagged]
