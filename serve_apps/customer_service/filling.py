"""Which slots of a flow a message fills or corrects. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from actors.intent_model.understanding import Understanding
from serve_apps.customer_service.cues import Cues, new_value_part
from serve_apps.customer_service.flows import Flow
from serve_apps.customer_service.slot_rules import SlotRule, TextRule
from serve_apps.customer_service.values import breaks_rule, find_values


@dataclass(frozen=True)
class Message:
    """What a customer wrote, what the intent model made of it, and the day it was written."""

    text: str
    understanding: Understanding
    today: date


@dataclass(frozen=True)
class Filling:
    """Values in normal form that a message brings: those that hold, and those that break their slot's rule."""

    values: Mapping[str, str]
    invalid: Mapping[str, str]


def read_values(
    flow: Flow, filled: Mapping[str, str], awaiting: str | None, message: Message, cues: Cues, *, free_text: bool = True
) -> Filling:
    """Everything that `message` says about the slots of `flow`.

    In this order: what the intent model tagged; the slot that was asked for, by its form; other slots, where their
    form can mean nothing else; and, in a correction, the slot that the new value fits.

    Args:
        filled: the values known before.
        awaiting: the slot that was asked for.
        free_text: whether the whole message may be the value of an awaited slot of kind text.
    """
    found = _tagged(flow, message)
    if awaiting is not None and awaiting not in found and (free_text or not isinstance(flow.slots[awaiting], TextRule)):
        _take_awaited(flow.slots[awaiting], awaiting, found, message, cues)
    for name, rule in flow.slots.items():
        if name not in found and (values := find_values(rule, message.text, message.today, strict=True)):
            found[name] = values[-1]
    if cues.correction and all(filled.get(name) == value for name, value in found.items()):
        found |= _corrected(flow, filled, message)
    bad = {name: value for name, value in found.items() if breaks_rule(flow.slots[name], value, message.today)}
    return Filling({name: value for name, value in found.items() if name not in bad}, bad)


def _tagged(flow: Flow, message: Message) -> dict[str, str]:
    found: dict[str, str] = {}
    for slot in message.understanding.slots:
        rule = flow.slots.get(slot.name)
        values = find_values(rule, slot.value, message.today) if rule is not None else []
        if values:
            found[slot.name] = values[-1]  # of two mentions the later one counts: 不是5678，是6789
    return found


def _take_awaited(rule: SlotRule, awaiting: str, found: dict[str, str], message: Message, cues: Cues) -> None:
    """Read the awaited slot from the text; a tag that gave the same words to another slot is then wrong."""
    text = new_value_part(message.text) if cues.correction else message.text
    values = find_values(rule, text, message.today)
    if values:
        for name in [name for name, value in found.items() if value == values[0]]:
            del found[name]
        found[awaiting] = values[-1] if cues.correction else values[0]


def _corrected(flow: Flow, filled: Mapping[str, str], message: Message) -> dict[str, str]:
    """The new value of the slot that the message names, else of the latest one that it fits."""
    text = new_value_part(message.text)
    named = [name for name in filled if _mentions(message.text, flow.slots[name])]
    for name in named or reversed(list(filled)):
        rule = flow.slots[name]
        if isinstance(rule, TextRule) and not named:
            continue
        values = find_values(rule, text, message.today)
        if values and values[-1] != filled[name]:
            return {name: values[-1]}
    return {}


def _mentions(text: str, rule: SlotRule) -> bool:
    return any(word in text for word in (rule.label, *rule.also))
