"""What the dialogue decides: the new state, what to say, and what has to happen before it can go on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pydantic import Field

from danlu.config import Settings
from serve_apps.customer_service.state import DialogueState
from serve_apps.customer_service.walking import Act

# What a message came to, as it is counted: see danlu.metrics.CUSTOMER_SERVICE_MESSAGES.
Outcome = Literal["answered", "flow", "not_found", "handoff"]
Scope = Literal["inside", "unknown", "outside"]


@dataclass(frozen=True)
class Lookup:
    """A question for the knowledge base.

    Attributes:
        context: what a follow-up question is about, besides what was last answered: the title of the flow under way.
        likely: a flow that the customer may have meant, in case nothing is found.
        scope: whether the intent model surely takes it for a question to the knowledge base (`inside`), for one
            about something else (`outside`), or neither.
    """

    question: str
    context: str = ""
    likely: str = ""
    scope: Scope = "unknown"


@dataclass(frozen=True)
class Decision:
    """A step of the dialogue. With an `effect`, the dialogue goes on with what came of it."""

    state: DialogueState
    texts: tuple[str, ...] = ()
    effect: Lookup | Act | None = None
    outcome: Outcome = "answered"
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ActionResult:
    """What came of an action.

    Attributes:
        status: `refused` means surely not done; `unconfirmed` means that nobody knows.
        results: by name, `reference` included, when it is done.
        simulated: nothing really happened.
    """

    status: Literal["done", "refused", "unconfirmed"]
    results: Mapping[str, str] = field(default_factory=dict)
    simulated: bool = False


class DialogueLimits(Settings):
    """When the dialogue trusts the intent model, and when it gives up."""

    confidence: float = Field(default=0.6, ge=0, le=1, description="intents below this are not acted upon")
    likely_confidence: float = Field(
        default=0.3, ge=0, le=1, description="confidence from which a concern is at least asked about"
    )
    misunderstandings: int = Field(default=3, ge=1, description="messages in a row that lead nowhere before hand-off")
    open_flows: int = Field(default=3, ge=1, description="flows that may be interrupted at a time")
