"""The plan shown to the user: typed steps that mirror the syntax tree of the wanted function."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from danlu.config import Settings
from serve_apps.code_generation.concepts import Concept, StepKind, find_mentions
from serve_apps.code_generation.kinds import shared_kinds
from serve_apps.code_generation.requirement import Requirement
from serve_apps.code_generation.signature import Parameter


class Step(Settings):
    """One step; a loop's inner steps run for each item."""

    kind: Literal["input", "loop", "return"] | StepKind = Field(description="what the step becomes in the code")
    text: str = Field(description="the step in the language of the requirement")
    concept: str = Field(default="", description="the idea behind it, empty for inputs, loops and the return")
    steps: tuple[Step, ...] = Field(default=(), description="inner steps")


class Plan(Settings):
    """How the function will be written, derived from the requirement, its signature and its examples."""

    function: str = Field(description="function name")
    parameters: tuple[Parameter, ...] = Field(description="parameters with their types, as given or seen in examples")
    returns: str = Field(description="type of the returned value, empty when unknown")
    constants: tuple[str, ...] = Field(description="numbers and quoted texts of the requirement, as Python literals")
    steps: tuple[Step, ...] = Field(description="the steps, in order")

    def shape(self) -> frozenset[str]:
        """The kinds of steps anywhere in the plan."""
        found: set[str] = set()
        waiting = list(self.steps)
        while waiting:
            step = waiting.pop()
            found.add(step.kind)
            waiting.extend(step.steps)
        return frozenset(found)

    def concepts(self) -> frozenset[str]:
        """The names of the ideas anywhere in the plan."""
        inner = [step for outer in self.steps for step in outer.steps]
        return frozenset(step.concept for step in (*self.steps, *inner) if step.concept)

    def outline(self) -> str:
        """The plan as indented lines, for a prompt or a terminal."""
        lines = []
        for step in self.steps:
            lines.append(f"- {step.text}")
            lines.extend(f"  - {inner.text}" for inner in step.steps)
        return "\n".join(lines)


_COLLECTIONS = ("seq", "iter", "dict", "str")
_IN_LOOP: tuple[str, ...] = ("filter", "map", "condition", "parse")
_ORDER: tuple[str, ...] = ("parse", "filter", "map", "condition", "group", "sort", "search", "reduce")
# What a word with several meanings is taken for, over a collection and over single values.
_MEANT_OVER_COLLECTION = ("filter", "reduce", "sort", "group", "search", "parse", "map", "condition")
_MEANT_OVER_VALUES = ("map", "filter", "condition", "parse", "reduce", "sort", "group", "search")


def make_plan(requirement: Requirement) -> Plan:
    """Derive a plan: inputs, a loop with its inner steps where there is a collection, what follows it, the return."""
    parameters = tuple(_typed(requirement, place) for place in range(len(requirement.signature.parameters)))
    looped = next((p.name for i, p in enumerate(parameters) if _is_collection(requirement, i)), None)
    ideas = _meant(find_mentions(requirement.prose), over_collection=looped is not None)
    chinese = requirement.chinese
    steps = [
        Step(kind=concept.kind, text=concept.phrase_in(chinese), concept=concept.name)  # type: ignore[arg-type]
        for concept in sorted(ideas, key=lambda concept: _ORDER.index(concept.kind))
    ]
    inner = tuple(step for step in steps if looped is not None and step.kind in _IN_LOOP)
    after = [step for step in steps if step not in inner]
    body = [Step(kind="loop", text=_loop_text(looped, chinese), steps=inner)] if looped is not None else []
    returns = requirement.signature.returns or _type_of(requirement.expected_values())
    return Plan(
        function=requirement.signature.name,
        parameters=parameters,
        returns=returns,
        constants=tuple(repr(constant) for constant in requirement.constants),
        steps=(*(_input(p, chinese) for p in parameters), *body, *after, _return(returns, chinese)),
    )


def _meant(mentions: Sequence[tuple[Concept, ...]], over_collection: bool) -> list[Concept]:
    """One concept for each mention, each once: the likeliest meaning; hints are no steps."""
    preference = _MEANT_OVER_COLLECTION if over_collection else _MEANT_OVER_VALUES
    chosen: dict[str, Concept] = {}
    for mention in mentions:
        steps = [concept for concept in mention if concept.kind in preference]
        if steps:
            concept = min(steps, key=lambda concept: preference.index(concept.kind))
            chosen.setdefault(concept.name, concept)
    return list(chosen.values())


def _typed(requirement: Requirement, place: int) -> Parameter:
    parameter = requirement.signature.parameters[place]
    return parameter.model_copy(update={"type": parameter.type or _type_of(requirement.argument_values(place))})


def _is_collection(requirement: Requirement, place: int) -> bool:
    return any(kind in requirement.argument_kinds(place) for kind in _COLLECTIONS)


def _type_of(values: list[object]) -> str:
    """The built-in type that all values share, with the items' type for lists; empty when there is none."""
    kinds = shared_kinds(values)
    for kind in ("bool", "int", "str", "dict", "set", "tuple"):
        if kind in kinds and values:
            return kind
    if "list" in kinds and any(values):
        items = {"ints": "list[int]", "nums": "list[float]", "strs": "list[str]", "rows": "list[list]"}
        return next((name for kind, name in items.items() if kind in kinds), "list")
    return "list" if "list" in kinds else "float" if "num" in kinds and values else ""


def _input(parameter: Parameter, chinese: bool) -> Step:
    kind = f" ({parameter.type})" if parameter.type else ""
    return Step(kind="input", text=f"输入 {parameter.name}{kind}" if chinese else f"take {parameter.name}{kind}")


def _loop_text(name: str | None, chinese: bool) -> str:
    return f"遍历 {name}" if chinese else f"for each item of {name}"


def _return(returns: str, chinese: bool) -> Step:
    kind = f" ({returns})" if returns else ""
    return Step(kind="return", text=f"返回结果{kind}" if chinese else f"return the result{kind}")
