from typing import Any

import pytest
from pydantic import TypeAdapter

from serve_apps.customer_service.conditions import parse_condition
from serve_apps.customer_service.slot_rules import SlotRule

RULES: dict[str, Any] = TypeAdapter(dict[str, SlotRule]).validate_python(
    {
        "amount": {"kind": "amount", "label": "金额"},
        "plan": {"kind": "choice", "label": "套餐", "choices": {"甲": [], "乙": []}},
        "person": {"kind": "text", "label": "姓名"},
    }
)


@pytest.mark.parametrize(
    ("text", "slots", "holds"),
    [
        ("amount > 20000", {"amount": "20000"}, False),
        ("amount > 20000", {"amount": "20000.01"}, True),
        ("amount >= 9", {"amount": "10"}, True),  # as numbers, not as text
        ("amount < 9", {}, False),
        ("amount == 500.0", {"amount": "500"}, True),
        ("plan == 甲", {"plan": "甲"}, True),
        ("plan != '甲'", {}, True),
        ("person is set", {"person": "李雷"}, True),
        ("person is not set", {"person": "李雷"}, False),
        ("amount > 1 and plan == 乙", {"amount": "2", "plan": "甲"}, False),
        ("amount > 1 and plan == 乙", {"amount": "2", "plan": "乙"}, True),
    ],
)
def test_conditions(text: str, slots: dict[str, str], holds: bool) -> None:
    assert parse_condition(text, RULES).holds(slots) is holds


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("amount", "is no `slot > value`"),
        ("price > 5", "unknown slot 'price'; the flow has amount, plan, person"),
        ("amount > viel", "'viel' is no number"),
        ("person > 5", "> compares amounts, and person is of kind text"),
        ("plan == 丙", "plan can't be '丙'; its choices are 甲, 乙"),
        ("amount > 5 and plan", "'plan' is no `slot > value`"),
    ],
)
def test_conditions_that_make_no_sense(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("?", r"\?")):
        parse_condition(text, RULES)
