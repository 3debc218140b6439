from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from serve_apps.customer_service.slot_rules import SlotRule
from serve_apps.customer_service.values import breaks_rule, find_values, shown

TODAY = date(2026, 3, 15)
ADAPTER: TypeAdapter[Any] = TypeAdapter(SlotRule)


def rule(kind: str, **settings: Any) -> Any:
    return ADAPTER.validate_python({"kind": kind, "label": "值", **settings})


TAIL = rule("digits", length=4, tail=True, also=["尾号", "后四位"])
PLAN = rule("choice", choices={"云享99元": ["99元套餐", "云享"], "尊享159元": []})


@pytest.mark.parametrize(
    ("slot", "text", "values"),
    [
        (rule("amount"), "充五百块", ["500"]),
        (rule("amount"), "转1.5万元给李雷", ["15000"]),
        (rule("amount"), "50", ["50"]),
        (rule("amount"), "０.50元", ["0.5"]),
        (rule("amount"), "等一下", []),
        (rule("amount"), "一", ["1"]),
        (rule("amount"), "300元，不，500元", ["300", "500"]),
        (rule("amount"), "尾号6789，500元", ["6789", "500"]),
        (rule("amount"), "尾号6789,500元", ["6789", "500"]),
        (rule("amount"), "尾号789，500元", ["789", "500"]),
        (rule("amount"), "1,500元", ["1500"]),
        (rule("amount"), "１,２３４,５６７.８０元", ["1234567.8"]),
        (rule("amount"), "转300,50,1,000,00元", ["300", "50", "1", "0", "0"]),
        (TAIL, "尾号六七八九", ["6789"]),
        (TAIL, "67 89", ["6789"]),
        (TAIL, "12345", []),
        (TAIL, "6222 0200 1234 6789", ["6789"]),
        (rule("digits", length=4), "6222020012346789", []),
        (rule("phone"), "138 1234-5678", ["13812345678"]),
        (rule("phone"), "一三八一二三四五六七八", ["13812345678"]),
        (rule("phone"), "+8613812345678", ["13812345678"]),
        (rule("phone"), "12812345678 或 138123456789", []),
        (PLAN, "换 99元 套餐", ["云享99元"]),
        (PLAN, "尊 享159元", ["尊享159元"]),
        (PLAN, "随便", []),
        (rule("month"), "上个月", ["2026-02"]),
        (rule("month"), "上上个月", ["2026-01"]),
        (rule("month"), "这个月", ["2026-03"]),
        (rule("month"), "4月", ["2025-04"]),
        (rule("month"), "去年十二月份", ["2025-12"]),
        (rule("month"), "25年7月", ["2025-07"]),
        (rule("month"), "2025-07", ["2025-07"]),
        (rule("date"), "明天走", ["2026-03-16"]),
        (rule("date"), "大后天", ["2026-03-18"]),
        (rule("date"), "3月20号", ["2026-03-20"]),
        (rule("date"), "3月1日", ["2027-03-01"]),
        (rule("date"), "20号", ["2026-03-20"]),
        (rule("date"), "2月30日", []),
        (rule("date"), "周五", ["2026-03-20"]),
        (rule("date"), "周日", ["2026-03-15"]),  # today
        (rule("date"), "这周一", ["2026-03-09"]),
        (rule("date"), "下周一", ["2026-03-16"]),
        (rule("date"), "下下个星期三", ["2026-03-25"]),
        (rule("date"), "前天", ["2026-03-13"]),
        (rule("date"), "2028-02-29", ["2028-02-29"]),
        (rule("text"), " 李雷。", ["李雷"]),
        (rule("text"), "？！", []),
    ],
)
def test_values_in_an_answer(slot: Any, text: str, values: list[str]) -> None:
    assert find_values(slot, text, TODAY) == values


@pytest.mark.parametrize(
    ("slot", "text", "values"),
    [
        (rule("amount"), "转50元", ["50"]),
        (rule("amount"), "卡号是5000", []),
        (rule("amount"), "尾号6789，500元", ["500"]),
        (TAIL, "尾号是6789的卡", ["6789"]),
        (TAIL, "充6789", []),
        (rule("text"), "李雷", []),
        (rule("phone"), "13812345678", ["13812345678"]),
    ],
)
def test_only_clear_forms_are_taken_unasked(slot: Any, text: str, values: list[str]) -> None:
    assert find_values(slot, text, TODAY, strict=True) == values


RULES = [rule("amount"), TAIL, rule("phone"), PLAN, rule("month"), rule("date"), rule("text")]


@given(st.sampled_from(RULES), st.text(max_size=40), st.booleans(), st.dates(date(2000, 1, 1), date(2090, 1, 1)))
def test_any_text_is_read_and_every_value_can_be_checked_and_shown(
    slot: Any, text: str, strict: bool, day: date
) -> None:
    for value in find_values(slot, text, day, strict=strict):
        assert breaks_rule(slot, value, day) in (True, False)
        assert shown(slot, value)


@given(st.integers(0, 9999), st.integers(1, 10_000_000), st.sampled_from("，、；。 "))
def test_a_number_ends_where_the_sentence_does(tail: int, amount: int, mark: str) -> None:
    for written in (f"{amount}", f"{amount:,}"):
        assert find_values(rule("amount"), f"尾号{tail:04}{mark}{written}元", TODAY, strict=True) == [str(amount)]


@given(st.integers(1, 10_000_000).map(lambda cents: cents / 100))
def test_amounts_are_kept_to_the_cent(amount: float) -> None:
    (value,) = find_values(rule("amount"), f"{amount:.2f}元", TODAY)
    assert float(value) == amount
    assert find_values(rule("amount"), f"{value}元", TODAY) == [value]


@pytest.mark.parametrize(
    ("slot", "value", "broken"),
    [
        (rule("amount", minimum=10, maximum=500), "10", False),
        (rule("amount", minimum=10, maximum=500), "9.99", True),
        (rule("amount", minimum=10, maximum=500), "500.01", True),
        (rule("amount"), "0", True),
        (rule("amount"), "1.005", True),
        (rule("text", pattern="[一-龥]{2,4}"), "李雷", False),
        (rule("text", pattern="[一-龥]{2,4}"), "Bob", True),
        (rule("text", maximum_length=3), "四个字了", True),
        (rule("month"), "2026-04", False),
        (rule("month", future=False), "2026-04", True),
        (rule("month", future=False), "2026-03", False),
        (rule("date"), "2026-03-14", False),
        (rule("date", past=False), "2026-03-14", True),
        (rule("date", past=False), "2026-03-15", False),
    ],
)
def test_limits(slot: Any, value: str, broken: bool) -> None:
    assert breaks_rule(slot, value, TODAY) is broken


def test_values_as_customers_read_them() -> None:
    assert shown(rule("month"), "2026-02") == "2026年2月"
    assert shown(rule("date"), "2026-03-05") == "2026年3月5日"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "amount", "minimum": 5, "maximum": 1}, "maximum is 1: it is below minimum"),
        ({"kind": "choice", "choices": {"甲": ["乙"], "乙": []}}, "乙 stands for more than one choice"),
        ({"kind": "text", "pattern": "("}, "no regular expression"),
        ({"kind": "colour"}, "'colour'"),
    ],
)
def test_rules_that_make_no_sense(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ADAPTER.validate_python({"label": "值", **settings})
