from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.tables import format_cell, markdown_table, median_and_range, replace_section

PROSE = st.text(alphabet="ab c\n#|", max_size=40)


def test_a_table_in_markdown() -> None:
    table = markdown_table(["", "share"], [["all", 0.98765], ["some", None]])
    assert table == "|  | share |\n| --- | ---: |\n| all | 0.988 |\n| some |  |"


@pytest.mark.parametrize(
    ("cell", "text"),
    [(12345, "12,345"), (12345.6, "12,346"), (345.6, "346"), (45.67, "45.7"), (0.5, "0.500"), ("x", "x")],
)
def test_numbers_keep_three_digits_or_so(cell: str | float, text: str) -> None:
    assert format_cell(cell) == text


def test_a_median_comes_with_its_range() -> None:
    assert median_and_range([30.0, 10.0, 20.0]) == "20.0 (10.0 to 30.0)"


@given(before=PROSE, first=PROSE, second=PROSE)
def test_a_section_is_replaced_and_the_rest_stays(before: str, first: str, second: str) -> None:
    page = replace_section(replace_section(before, "one", first), "two", "other")
    changed = replace_section(page, "one", second)
    assert replace_section(changed, "one", first) == page
    assert second.strip() in changed
    assert "other" in changed


def test_a_section_without_an_end_is_an_error() -> None:
    with pytest.raises(ValueError, match="'one'"):
        replace_section("<!-- one: written by the benchmark -->\nold", "one", "new")
