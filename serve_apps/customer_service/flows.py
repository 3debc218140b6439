"""Dialogue flows: what has to be asked, confirmed and done for one concern of a customer, as a YAML file says it."""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from danlu.config import Settings
from serve_apps.customer_service.conditions import Condition, parse_condition
from serve_apps.customer_service.slot_rules import SlotRule

END = "end"
REFERENCE = "reference"
KINDS = ("collect", "confirm", "branch", "action", "say", "handoff")


class _Step(Settings):
    id: str = Field(default="", description="name of the step, for `go`; steps without one are numbered")
    go: str | None = Field(default=None, description="step that follows, or `end`; without it the next one in the file")

    def targets(self) -> Iterator[str]:
        """The steps, beside the following one, that may come next."""
        if self.go is not None:
            yield self.go

    def templates(self) -> Iterator[str]:
        """The texts in which slots may stand."""
        yield from ()


class CollectStep(_Step):
    """Ask for a slot until it has a value."""

    collect: str = Field(description="the slot")
    ask: str = Field(min_length=1, description="the question")

    def templates(self) -> Iterator[str]:
        yield self.ask


class ConfirmStep(_Step):
    """Say what will be done, and go on only after a yes."""

    confirm: str = Field(min_length=1, description="the question")
    on_no: Literal["revise", "end"] = Field(default="revise", description="after a no: ask what to change, or end")

    def templates(self) -> Iterator[str]:
        yield self.confirm


class Case(Settings):
    """One arm of a branch."""

    condition: str = Field(alias="if", min_length=1, description="such as `amount > 50000`")
    go: str = Field(description="step that follows when the condition holds, or `end`")


class BranchStep(_Step):
    """Go where the first condition that holds says; where none does, go on."""

    branch: list[Case] = Field(min_length=1, description="cases in order")

    def targets(self) -> Iterator[str]:
        yield from super().targets()
        yield from (case.go for case in self.branch)


class ActionStep(_Step):
    """Have the back office do something."""

    action: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="name of the action")
    reply: str = Field(min_length=1, description="said when it is done; slots, `reference` and results are allowed")
    failed: str = Field(min_length=1, description="said when the back office refuses or can't be reached")
    simulated: dict[str, str] = Field(
        default={}, description="results that the simulated back office gives; their names are what `reply` may use"
    )

    def templates(self) -> Iterator[str]:
        yield self.failed


class SayStep(_Step):
    """Say something."""

    say: str = Field(min_length=1, description="the text")

    def templates(self) -> Iterator[str]:
        yield self.say


class HandoffStep(_Step):
    """Give the conversation to a person."""

    handoff: str = Field(min_length=1, description="why, for the person who takes over")

    def templates(self) -> Iterator[str]:
        yield self.handoff


def _kind(step: Any) -> str | None:
    keys = step if isinstance(step, Mapping) else step.model_fields_set
    return next((kind for kind in KINDS if kind in keys), None)


Step = Annotated[
    Annotated[CollectStep, Tag("collect")]
    | Annotated[ConfirmStep, Tag("confirm")]
    | Annotated[BranchStep, Tag("branch")]
    | Annotated[ActionStep, Tag("action")]
    | Annotated[SayStep, Tag("say")]
    | Annotated[HandoffStep, Tag("handoff")],
    Discriminator(
        _kind,
        custom_error_type="step_kind",
        custom_error_message=f"a step has one of the keys {', '.join(KINDS)}",
    ),
]


class Flow(Settings):
    """One concern of a customer, from the sentence that starts it to the last step."""

    flow: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="name of the flow")
    title: str = Field(min_length=1, description="what the customer calls it: 银行卡挂失")
    starts_on: list[str] = Field(min_length=1, description="intents that start it")
    slots: dict[str, SlotRule] = Field(default={}, description="what the flow has to know")
    steps: list[Step] = Field(min_length=1, description="what happens, in order")

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        names = [self.step_id(i) for i in range(len(self.steps))]
        for name in names:
            if names.count(name) > 1 or name == END:
                raise ValueError(f"steps: the id {name!r} " + ("is reserved" if name == END else "stands twice"))
        for place, step in enumerate(self.steps):
            self._check_step(names[place], step, names)
        self._check_reachable(names)
        return self

    def step_id(self, place: int) -> str:
        """The name of the step at a place: its id, or its number from 1."""
        return self.steps[place].id or str(place + 1)

    def place(self, step_id: str) -> int:
        """Where a step stands; `end` stands behind the last one."""
        return len(self.steps) if step_id == END else [self.step_id(i) for i in range(len(self.steps))].index(step_id)

    def condition(self, case: Case) -> Condition:
        """A branch's condition, ready to be asked."""
        return parse_condition(case.condition, self.slots)

    def _check_step(self, name: str, step: Step, names: list[str]) -> None:
        for target in step.targets():
            if target not in names and target != END:
                raise ValueError(f"step {name}: go is {target!r}, and the steps are {', '.join(names)} and end")
            if target == name or target in names[: names.index(name)]:
                raise ValueError(f"step {name}: go is {target!r}: a flow only goes forward, values are kept once given")
        if isinstance(step, CollectStep) and step.collect not in self.slots:
            known = ", ".join(self.slots) or "none"
            raise ValueError(f"step {name}: collects unknown slot {step.collect!r}; the flow has {known}")
        if isinstance(step, BranchStep):
            for case in step.branch:
                self._named(name, lambda case=case: self.condition(case))
        for template in step.templates():
            self._check_template(name, template, set(self.slots))
        if isinstance(step, ActionStep):
            self._check_template(name, step.reply, {*self.slots, REFERENCE, *step.simulated})

    def _check_template(self, name: str, template: str, known: set[str]) -> None:
        fields = self._named(name, lambda: [field for _, field, _, _ in string.Formatter().parse(template)])
        for field in fields:
            if field is not None and field not in known:
                raise ValueError(f"step {name}: {{{field}}} in {template!r} is none of {', '.join(sorted(known))}")

    def _check_reachable(self, names: list[str]) -> None:
        seen: set[int] = set()
        waiting = [0]
        while waiting:
            place = waiting.pop()
            if place in seen or place == len(self.steps):
                continue
            seen.add(place)
            waiting.extend(self.place(target) for target in self.steps[place].targets())
            if self.steps[place].go is None and not isinstance(self.steps[place], HandoffStep):
                waiting.append(place + 1)
        unreachable = [names[place] for place in range(len(names)) if place not in seen]
        if unreachable:
            raise ValueError(
                f"step {unreachable[0]} can't be reached: no step goes there, and the one before goes elsewhere"
            )

    @staticmethod
    def _named(name: str, check: Any) -> Any:
        try:
            return check()
        except ValueError as error:
            raise ValueError(f"step {name}: {error}") from None
