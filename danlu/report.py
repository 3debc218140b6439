"""A job's report: figures, its own checks, and sections that an HTML page can draw."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Scalar = bool | int | float | str | None


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Check(_Part):
    """Something that must hold for the job to have done its work."""

    name: str
    held: bool
    detail: str = ""


class Table(_Part):
    kind: Literal["table"] = "table"
    title: str
    columns: list[str]
    rows: list[list[Scalar]]
    note: str = ""


class Bars(_Part):
    """Horizontal bars with one value each: a funnel, reasons, sizes."""

    kind: Literal["bars"] = "bars"
    title: str
    bars: list[tuple[str, float]]
    unit: str = ""
    note: str = ""


class Lines(_Part):
    """Curves over a common kind of x: {name: [(x, y), ...]}."""

    kind: Literal["lines"] = "lines"
    title: str
    x_label: str
    y_label: str
    series: dict[str, list[tuple[float, float]]]
    log_y: bool = False
    note: str = ""


class Turn(_Part):
    speaker: str
    text: str
    details: str = ""


class Dialogue(_Part):
    kind: Literal["dialogue"] = "dialogue"
    title: str
    turns: list[Turn]
    note: str = ""


class Code(_Part):
    kind: Literal["code"] = "code"
    title: str
    code: str
    language: str = "python"
    note: str = ""


Section = Annotated[Table | Bars | Lines | Dialogue | Code, Field(discriminator="kind")]


class Report(_Part):
    """What a job found. `figures` are named `subject_unit` (`kept_documents`, `size_bytes`, `tokens_per_s`)."""

    job: str
    figures: dict[str, Scalar] = Field(default_factory=dict)
    checks: list[Check] = Field(default_factory=list)
    sections: list[Section] = Field(default_factory=list)
    seconds: float = 0.0

    @property
    def held(self) -> bool:
        """Whether every check held."""
        return all(check.held for check in self.checks)
