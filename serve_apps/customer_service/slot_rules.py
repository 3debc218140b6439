"""What a flow says about its slots: their kind, their limits, and how a wrong value is refused."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from danlu.config import Settings


class _Rule(Settings):
    label: str = Field(min_length=1, description="what the customer calls it: 卡号后四位")
    also: list[str] = Field(default=[], description="other words for it: 尾号")
    invalid: str = Field(default="", description="reply to a value that breaks the rule, as it stands here")


class AmountRule(_Rule):
    """Money in yuan."""

    kind: Literal["amount"]
    minimum: Decimal = Field(default=Decimal("0.01"), ge=0, strict=False, description="smallest amount")
    maximum: Decimal | None = Field(default=None, strict=False, description="largest amount")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.maximum is not None and self.maximum < self.minimum:
            raise ValueError(f"maximum is {self.maximum}: it is below minimum ({self.minimum})")
        return self


class DigitsRule(_Rule):
    """A fixed number of digits, such as the end of a card number."""

    kind: Literal["digits"]
    length: int = Field(ge=1, le=32, description="how many digits")
    tail: bool = Field(default=False, description="of a whole card number (12 digits or more) take the end")


class PhoneRule(_Rule):
    """A mobile number of mainland China."""

    kind: Literal["phone"]


class ChoiceRule(_Rule):
    """One of a few names."""

    kind: Literal["choice"]
    choices: dict[str, list[str]] = Field(min_length=1, description="name: other words for it")

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        words = [word.lower() for name, others in self.choices.items() for word in (name, *others)]
        repeated = sorted({word for word in words if words.count(word) > 1})
        if repeated:
            raise ValueError(f"choices: {', '.join(repeated)} stands for more than one choice, or twice for one")
        return self


class MonthRule(_Rule):
    """A calendar month, `2026-03`."""

    kind: Literal["month"]
    future: bool = Field(default=True, description="whether a month that has not begun is allowed")


class DateRule(_Rule):
    """A day, `2026-03-15`."""

    kind: Literal["date"]
    past: bool = Field(default=True, description="whether a day before today is allowed")


class TextRule(_Rule):
    """Any words: a place, a name."""

    kind: Literal["text"]
    pattern: str | None = Field(default=None, description="regular expression that the whole value must match")
    maximum_length: int = Field(default=50, ge=1, description="longest value in characters")

    @model_validator(mode="after")
    def _compiles(self) -> Self:
        try:
            re.compile(self.pattern or "")
        except re.error as error:
            raise ValueError(f"pattern is {self.pattern!r}: no regular expression ({error})") from None
        return self


SlotRule = Annotated[
    AmountRule | DigitsRule | PhoneRule | ChoiceRule | MonthRule | DateRule | TextRule, Field(discriminator="kind")
]
