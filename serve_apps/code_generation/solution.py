"""What a request gives back."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from danlu.config import Settings
from serve_apps.code_generation.plan import Plan

Origin = Literal["template", "model", "none"]
Outcome = Literal["passed", "unchecked", "failed"]
Method = Literal["template", "composition", "model"]


class Check(Settings):
    """One thing that was looked at."""

    name: str = Field(description="syntax, names, examples, evidence or model")
    passed: bool = Field(description="whether it holds; false as well when it could not be looked at")
    detail: str = Field(default="", description="what was found")


class Attempt(Settings):
    """One candidate that was tried, and how it fared."""

    method: Method = Field(description="where it came from")
    name: str = Field(description="the template, the expression, or the model and the round")
    passed: bool = Field(description="whether it gave the expected values of all examples")
    detail: str = Field(default="", description="the first thing that went wrong")


class Solution(Settings):
    """The answer. `code` is empty exactly when `origin` is none."""

    plan: Plan
    code: str = Field(description="Python source that defines the wanted function, empty when nothing holds")
    origin: Origin = Field(description="template (as it is or composed), model, or none")
    outcome: Outcome = Field(description="passed: all examples hold; unchecked: there were none; failed: no code")
    checks: tuple[Check, ...]
    attempts: tuple[Attempt, ...]
