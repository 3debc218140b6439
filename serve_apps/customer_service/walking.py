"""Going through a flow's steps until the customer, the back office or a person is needed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from serve_apps.customer_service.flows import (
    ActionStep,
    BranchStep,
    CollectStep,
    ConfirmStep,
    Flow,
    HandoffStep,
    SayStep,
    Step,
)
from serve_apps.customer_service.state import Frame
from serve_apps.customer_service.values import shown


@dataclass(frozen=True)
class Act:
    """Something that the back office is to do."""

    flow: str
    step: str
    action: str
    slots: Mapping[str, str]
    simulated: Mapping[str, str]


@dataclass(frozen=True)
class Walk:
    """How far a flow got.

    Attributes:
        texts: what to say, in order; the last one is a question when the flow waits for the customer.
        act: the back office is needed.
        handoff: the reason why a person has to take over.
        done: the flow is over.
    """

    frame: Frame
    texts: list[str] = field(default_factory=list)
    act: Act | None = None
    handoff: str | None = None
    done: bool = False


def walk(flow: Flow, frame: Frame) -> Walk:
    """Go from the first step over everything that is known, said, confirmed or done to what is not."""
    place, texts, passed = 0, list[str](), list(frame.passed)
    while place < len(flow.steps):
        step, name = flow.steps[place], flow.step_id(place)
        frame = frame.model_copy(update={"passed": passed, "awaiting": None, "confirming": None})
        if isinstance(step, CollectStep) and step.collect not in frame.slots:
            asking = frame.model_copy(update={"awaiting": step.collect})
            return Walk(asking, [*texts, render(flow, step.ask, frame.slots)])
        if isinstance(step, ConfirmStep) and name not in passed:
            asking = frame.model_copy(update={"confirming": name})
            return Walk(asking, [*texts, render(flow, step.confirm, frame.slots)])
        if isinstance(step, ActionStep) and name not in passed:
            return Walk(frame, texts, act=Act(flow.flow, name, step.action, dict(frame.slots), step.simulated))
        if isinstance(step, HandoffStep):
            return Walk(frame, texts, handoff=render(flow, step.handoff, frame.slots))
        if isinstance(step, SayStep) and name not in passed:
            texts.append(render(flow, step.say, frame.slots))
            passed = [*passed, name]
        place = _next(flow, place, frame.slots)
    return Walk(frame.model_copy(update={"passed": passed}), texts, done=True)


def render(flow: Flow, template: str, slots: Mapping[str, str], results: Mapping[str, str] | None = None) -> str:
    """A template with the slots as customers read them, and the results of an action."""
    values = {name: shown(flow.slots[name], value) for name, value in slots.items()}
    return template.format_map({**{name: "" for name in flow.slots}, **values, **(results or {})})


def corrected(frame: Frame, flow: Flow, values: Mapping[str, str]) -> Frame:
    """The frame with new values. What was said or confirmed on the old ones has to be said and confirmed again."""
    old = {flow.step_id(place) for place, step in enumerate(flow.steps) if _rests_on(step, values)}
    kept = [name for name in frame.passed if name not in old]
    return frame.model_copy(update={"slots": {**frame.slots, **values}, "passed": kept, "denials": 0})


def fitting(frame: Frame, flow: Flow) -> Frame:
    """A stored frame without what its flow, which may have been edited since, no longer has."""
    confirms = {flow.step_id(place) for place, step in enumerate(flow.steps) if isinstance(step, ConfirmStep)}
    return frame.model_copy(
        update={
            "slots": {name: value for name, value in frame.slots.items() if name in flow.slots},
            "awaiting": frame.awaiting if frame.awaiting in flow.slots else None,
            "confirming": frame.confirming if frame.confirming in confirms else None,
        }
    )


def _rests_on(step: Step, slots: Iterable[str]) -> bool:
    """Whether a step that is over holds no longer when these slots change."""
    if isinstance(step, SayStep):
        return any(f"{{{name}}}" in step.say for name in slots)
    return isinstance(step, ConfirmStep)


def _next(flow: Flow, place: int, slots: Mapping[str, str]) -> int:
    step = flow.steps[place]
    if isinstance(step, BranchStep):
        for case in step.branch:
            if flow.condition(case).holds(slots):
                return flow.place(case.go)
    return flow.place(step.go) if step.go is not None else place + 1
