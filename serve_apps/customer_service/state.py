"""Where a conversation stands. Plain values, kept as JSON between messages."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from danlu.config import Settings


class Frame(Settings):
    """A flow under way.

    The next step is not stored: it follows from the slots and from `passed`, so that a corrected value leads
    wherever it would have led had it been given at first.
    """

    flow: str = Field(description="name of the flow")
    slots: dict[str, str] = Field(default={}, description="values in normal form")
    passed: list[str] = Field(default=[], description="ids of steps that are over: said, confirmed, done")
    awaiting: str | None = Field(default=None, description="the slot that was asked for last")
    confirming: str | None = Field(default=None, description="id of the step whose question was asked last")
    denials: int = Field(default=0, description="times in a row that the customer said no to the same question")


class Topic(Settings):
    """What was last answered from the knowledge base: what a follow-up question refers to."""

    question: str
    title: str


class Handoff(Settings):
    """Why a person takes over, and what that person should know."""

    reason: str
    summary: str = ""


class Offer(Settings):
    """A yes-or-no question of the assistant's own."""

    kind: Literal["human", "flow"]
    flow: str = ""


class PendingAction(Settings):
    """An action that the back office has been asked for, as long as nothing is written of what came of it."""

    flow: str
    reference: str
    since: float = Field(description="when it was asked for, in seconds since 1970")


class DialogueState(Settings):
    """Everything that the next message's meaning depends on."""

    stack: list[Frame] = Field(default=[], description="flows under way; the last one is talked about")
    misunderstandings: int = Field(default=0, description="messages in a row that led nowhere")
    offer: Offer | None = None
    topic: Topic | None = None
    actions: int = Field(default=0, description="actions asked of the back office so far")
    handoff: Handoff | None = None
    pending: PendingAction | None = None

    @property
    def frame(self) -> Frame | None:
        """The flow that is talked about."""
        return self.stack[-1] if self.stack else None

    def with_frame(self, frame: Frame) -> DialogueState:
        """The same with the top of the stack replaced."""
        return self.model_copy(update={"stack": [*self.stack[:-1], frame]})

    def pushed(self, frame: Frame) -> DialogueState:
        return self.model_copy(update={"stack": [*self.stack, frame]})

    def popped(self) -> DialogueState:
        return self.model_copy(update={"stack": self.stack[:-1]})
