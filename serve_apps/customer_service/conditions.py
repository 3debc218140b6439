"""Conditions of branches: `amount > 50000 and country is set`. Read once, checked against the flow's slots."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from serve_apps.customer_service.slot_rules import AmountRule, ChoiceRule, SlotRule

_TEST = re.compile(r"(?P<slot>\w+)\s*(?:(?P<op>==|!=|>=|<=|>|<)\s*(?P<value>.+?)|is\s+(?P<absent>not\s+)?set)")
_COMPARE = {
    ">": lambda a, b: a > b,
    "<": lambda a, b: a < b,
    ">=": lambda a, b: a >= b,
    "<=": lambda a, b: a <= b,
}


@dataclass(frozen=True)
class Test:
    """One comparison. `op` is `==`, `!=`, `>`, `<`, `>=`, `<=`, `set` or `not set`."""

    slot: str
    op: str
    value: str = ""

    def holds(self, slots: Mapping[str, str]) -> bool:
        """A slot without a value fails every comparison; `!=` and `not set` hold for it."""
        actual = slots.get(self.slot)
        if self.op in ("set", "not set"):
            return (actual is not None) == (self.op == "set")
        if self.op in ("==", "!="):
            return (actual == self.value) == (self.op == "==")
        return actual is not None and _COMPARE[self.op](Decimal(actual), Decimal(self.value))


@dataclass(frozen=True)
class Condition:
    """Tests that must all hold."""

    tests: tuple[Test, ...]

    def holds(self, slots: Mapping[str, str]) -> bool:
        return all(test.holds(slots) for test in self.tests)


def parse_condition(text: str, rules: Mapping[str, SlotRule]) -> Condition:
    """Read a condition over the slots of a flow.

    Raises:
        ValueError: it is malformed, names an unknown slot, or compares what can't be compared.
    """
    return Condition(tuple(_parse_test(part.strip(), text, rules) for part in re.split(r"\s+and\s+", text.strip())))


def _parse_test(part: str, whole: str, rules: Mapping[str, SlotRule]) -> Test:
    match = _TEST.fullmatch(part)
    if match is None:
        raise ValueError(f"condition {whole!r}: {part!r} is no `slot > value`, `slot == value` or `slot is [not] set`")
    slot, op = match["slot"], match["op"]
    if slot not in rules:
        raise ValueError(f"condition {whole!r}: unknown slot {slot!r}; the flow has {', '.join(rules) or 'none'}")
    if op is None:
        return Test(slot, "not set" if match["absent"] else "set")
    value, rule = match["value"].strip("\"'"), rules[slot]
    if isinstance(rule, AmountRule):
        if re.fullmatch(r"\d+(\.\d+)?", value) is None:
            raise ValueError(f"condition {whole!r}: {slot} is an amount, and {value!r} is no number")
        value = format(Decimal(value).normalize(), "f")
    elif op not in ("==", "!="):
        raise ValueError(f"condition {whole!r}: {op} compares amounts, and {slot} is of kind {rule.kind}")
    elif isinstance(rule, ChoiceRule) and value not in rule.choices:
        raise ValueError(f"condition {whole!r}: {slot} can't be {value!r}; its choices are {', '.join(rule.choices)}")
    return Test(slot, op, value)
