from __future__ import annotations

import re

import pytest

from danlu.html import format_number, render_html
from danlu.report import Bars, Check, Code, Dialogue, Lines, Report, Table, Turn

REPORT = Report(
    job="trial",
    figures={"kept_documents": 1234, "share": 0.51234},
    checks=[Check(name="rows add up", held=False, detail="3 != 4")],
    sections=[
        Bars(title="漏斗", bars=[("in", 10), ("kept", 5)], unit="documents"),
        Lines(title="Loss", x_label="step", y_label="loss", series={"train": [(0, 2.0), (1, 1.0)]}),
        Table(title="Reasons", columns=["reason", "count"], rows=[["短文", 3], ["<b>", 1]]),
        Dialogue(title="Talk", turns=[Turn(speaker="user", text="挂失")]),
        Code(title="Code", code="a < b"),
    ],
)


def test_the_page_is_whole_and_asks_for_nothing() -> None:
    page = render_html([REPORT], "danlu trial")
    assert page.count("<svg") == 1 and "漏斗" in page and "rows add up" in page
    assert not re.findall(r"""(?:src|href)=["'](?!#)[^"']*["']""", page.replace("xlink:href", "")), "no outside files"
    assert "<script" not in page


def test_texts_are_escaped() -> None:
    page = render_html([REPORT], "danlu trial")
    assert "&lt;b&gt;" in page and "a &lt; b" in page


def test_the_same_report_gives_the_same_page() -> None:
    assert render_html([REPORT], "x") == render_html([REPORT], "x")


def test_reports_survive_json() -> None:
    assert Report.model_validate_json(REPORT.model_dump_json()) == REPORT
    assert not REPORT.held


@pytest.mark.parametrize(
    ("value", "text"), [(1234567, "1,234,567"), (0.51234, "0.5123"), (True, "yes"), (None, "–"), ("a", "a"), (2.0, "2")]
)
def test_numbers_read_well(value: object, text: str) -> None:
    assert format_number(value) == text  # type: ignore[arg-type]
