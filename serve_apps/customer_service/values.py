"""Slot values: found in what a customer wrote, brought into one form, checked, and shown again. Pure functions.

A value is a text: `500`, `6789`, `2026-03`, a choice's name. Words never have to be segmented for this.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from serve_apps.customer_service.numerals import NUMERAL, half_width, joined_thousands, parse_number, spoken_digits
from serve_apps.customer_service.slot_rules import (
    AmountRule,
    ChoiceRule,
    DateRule,
    DigitsRule,
    MonthRule,
    PhoneRule,
    SlotRule,
    TextRule,
)

_AMOUNT = re.compile(rf"(?P<number>[{NUMERAL}kKwW.]*[{NUMERAL}kKwW])\s*(?P<unit>元|块钱|块|圆|rmb|RMB|塊)?")
_JOINED_DIGITS = re.compile(r"(?<=\d)[\s\-–—]+(?=\d)")
_PHONE = re.compile(r"(?<!\d)(?:\+?86)?(1[3-9]\d{9})(?!\d)")
_MONTH = re.compile(
    r"(?:(?P<year>(?:20)?\d\d)\s*年\s*|(?P<relative_year>今年|去年)\s*的?)?(?P<month>1[0-2]|0?[1-9]|十[一二]?|[一二三四五六七八九])\s*月份?"
    r"|(?P<iso>20\d\d)[-/.](?P<iso_month>1[0-2]|0?[1-9])(?!\d)"
)
_RELATIVE_MONTH = re.compile(r"(?P<before>上上个?月)|(?P<last>上个?月)|(?P<this>本月|这个?月|当月)|(?P<next>下个?月)")
_DATE = re.compile(
    r"(?:(?P<year>20\d\d)\s*[年\-/.]\s*)?(?P<month>1[0-2]|0?[1-9])\s*[月\-/.]\s*(?P<day>3[01]|[12]\d|0?[1-9])(?:\s*[日号])?(?!\d)"
)
_DAY = re.compile(r"(?<![\d月])(?P<day>3[01]|[12]\d|0?[1-9])\s*[日号]")
_WHOLE_NUMBER = 12  # digits from which a number is a whole card number
_WEEKDAY = re.compile(r"(?P<weeks>下*)(?P<this>[这本]?)个?(?:周|星期|礼拜)(?P<day>[一二三四五六日天])")
_RELATIVE_DAYS = {"大后天": 3, "后天": 2, "明天": 1, "明日": 1, "今天": 0, "今日": 0, "当天": 0, "昨天": -1, "前天": -2}


def find_values(rule: SlotRule, text: str, today: date, *, strict: bool = False) -> list[str]:
    """All values of the rule's kind in `text`, in order of appearance, in normal form. Limits are not looked at.

    Args:
        strict: only forms that can mean nothing else (an amount with its unit, not a bare number). For slots that
            were not asked for; free words are then never taken.
    """
    finder: Callable[[Any, str, date, bool], list[str]] = _FINDERS[type(rule)]
    return finder(rule, half_width(text), today, strict)


def breaks_rule(rule: SlotRule, value: str, today: date) -> bool:
    """Whether a normal-form value lies outside the rule's limits."""
    if isinstance(rule, MonthRule):
        return not rule.future and value > f"{today:%Y-%m}"
    if isinstance(rule, DateRule):
        return not rule.past and date.fromisoformat(value) < today
    if isinstance(rule, AmountRule):
        amount = Decimal(value)
        return (
            amount < rule.minimum or (rule.maximum is not None and amount > rule.maximum) or amount != round(amount, 2)
        )
    if isinstance(rule, TextRule):
        too_long = len(value) > rule.maximum_length
        return too_long or (rule.pattern is not None and re.fullmatch(rule.pattern, value) is None)
    return False


def shown(rule: SlotRule, value: str) -> str:
    """A normal-form value as a customer reads it."""
    if isinstance(rule, MonthRule):
        return f"{value[:4]}年{int(value[5:])}月"
    if isinstance(rule, DateRule):
        return f"{value[:4]}年{int(value[5:7])}月{int(value[8:])}日"
    return value


def _amounts(rule: AmountRule, text: str, today: date, strict: bool) -> list[str]:
    values = []
    text = joined_thousands(text)
    for match in _AMOUNT.finditer(text):
        number = parse_number(match["number"])
        if number is not None and (match["unit"] or (not strict and _is_figure(match["number"], text))):
            values.append(_plain(number))
    return values


def _digits(rule: DigitsRule, text: str, today: date, strict: bool) -> list[str]:
    runs = re.finditer(r"\d+", _JOINED_DIGITS.sub("", spoken_digits(text)))
    found = [
        run for run in runs if len(run.group()) == rule.length or (rule.tail and len(run.group()) >= _WHOLE_NUMBER)
    ]
    return [run.group()[-rule.length :] for run in found if not strict or _named_before(rule, run)]


def _phones(rule: PhoneRule, text: str, today: date, strict: bool) -> list[str]:
    return _PHONE.findall(_JOINED_DIGITS.sub("", spoken_digits(text)))


def _choices(rule: ChoiceRule, text: str, today: date, strict: bool) -> list[str]:
    names = {word.lower(): name for name, others in rule.choices.items() for word in (name, *others)}
    longest_first = sorted(names, key=len, reverse=True)
    pattern = "|".join(_spaced(word) for word in longest_first)
    found = [re.sub(r"\s+", "", match.group()) for match in re.finditer(pattern, text.lower())]
    squeezed = {re.sub(r"\s+", "", word): name for word, name in names.items()}
    return [squeezed[word] for word in found]


def _months(rule: MonthRule, text: str, today: date, strict: bool) -> list[str]:
    found: list[tuple[int, str]] = []
    for match in _RELATIVE_MONTH.finditer(text):
        back = {"before": 2, "last": 1, "this": 0, "next": -1}[str(match.lastgroup)]
        found.append((match.start(), _month_back(today, back)))
    for match in _MONTH.finditer(text):
        number = parse_number(match["month"] or match["iso_month"])
        assert number is not None, "the pattern takes numerals only"
        found.append((match.start(), f"{_year(match, int(number), today)}-{int(number):02d}"))
    return [month for _, month in sorted(found)]


def _dates(rule: DateRule, text: str, today: date, strict: bool) -> list[str]:
    words = re.finditer("|".join(_RELATIVE_DAYS), text)
    found = [(m.start(), today + timedelta(days=_RELATIVE_DAYS[m.group()])) for m in words]
    found += [(m.start(), _weekday(m, today)) for m in _WEEKDAY.finditer(text)]
    for match in _DATE.finditer(text):
        year = int(match["year"]) if match["year"] else today.year
        day = _day(year, int(match["month"]), int(match["day"]))
        if day is not None and not match["year"] and day < today:
            day = _day(year + 1, day.month, day.day)  # a day without its year is the next one of that name
        if day is not None:
            found.append((match.start(), day))
    for match in _DAY.finditer(text):
        day = _day(today.year, today.month, int(match["day"]))
        if day is not None and not any(start <= match.start() < start + 12 for start, _ in found):
            found.append((match.start(), day))
    return [day.isoformat() for _, day in sorted(found)]


def _texts(rule: TextRule, text: str, today: date, strict: bool) -> list[str]:
    value = text.strip(" \t\n，。！？,.!?、")
    return [] if strict or not value else [value]


_FINDERS: dict[type, Callable[[Any, str, date, bool], list[str]]] = {
    AmountRule: _amounts,
    DigitsRule: _digits,
    PhoneRule: _phones,
    ChoiceRule: _choices,
    MonthRule: _months,
    DateRule: _dates,
    TextRule: _texts,
}


def _plain(number: Decimal) -> str:
    """`500`, not `5E+2` or `500.00`."""
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _is_figure(number: str, text: str) -> bool:
    """Whether a numeral without a unit is meant as a number: the `一` of 等一下 is not."""
    return bool(re.search(r"[0-9十百千万亿拾佰仟]", number)) or number == text.strip(" 。，！.,!")


def _named_before(rule: DigitsRule, run: re.Match[str]) -> bool:
    """Whether the slot's name stands right before the digits (`尾号是6789`)."""
    before = run.string[max(0, run.start() - 12) : run.start()]
    return any(word in before for word in (rule.label, *rule.also))


def _spaced(word: str) -> str:
    """A pattern for a word in which the customer may put blanks anywhere (`5 G 畅享`)."""
    return r"\s*".join(re.escape(c) for c in word if not c.isspace())


def _year(match: re.Match[str], month: int, today: date) -> int:
    """The year that a month is said with; without one, the latest month of that name that has begun."""
    if match["iso"]:
        return int(match["iso"])
    if match["year"]:
        return int(match["year"]) + (2000 if len(match["year"]) == 2 else 0)
    if match["relative_year"]:
        return today.year - (match["relative_year"] == "去年")
    return today.year if month <= today.month else today.year - 1


def _month_back(today: date, back: int) -> str:
    index = today.year * 12 + today.month - 1 - back
    return f"{index // 12}-{index % 12 + 1:02d}"


def _weekday(match: re.Match[str], today: date) -> date:
    """周五 is the next Friday, today included; 这周五 the one of this week, 下周五 that of the next."""
    weekday = "一二三四五六日".index(match["day"].replace("天", "日"))
    if not match["weeks"] and not match["this"]:
        return today + timedelta(days=(weekday - today.weekday()) % 7)
    return today + timedelta(days=weekday - today.weekday() + 7 * len(match["weeks"]))


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None
