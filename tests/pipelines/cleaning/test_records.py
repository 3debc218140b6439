"""Records of CSV, whole and broken."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.cleaning import records
from pipelines.cleaning.records import UNCLOSED, read_records
from pipelines.cleaning.streams import TOO_LONG, UNDECODABLE, UnreadLine


def test_a_record_may_go_over_several_lines() -> None:
    lines = ["id,text", '1,"a', "", 'b ""c"""', "2,d"]
    assert list(read_records(lines)) == [["id", "text"], ["1", 'a\n\nb "c"'], ["2", "d"]]


def test_a_quote_that_is_not_closed_spoils_its_own_line_only() -> None:
    lines = ["id,text", '1,"a', "2,b", '3,"c', "4,d"]
    # The second quote closes the first one: what lies between is a field.
    assert list(read_records(lines)) == [["id", "text"], ["1", "a\n2,b\n3,c"], ["4", "d"]]
    assert list(read_records([*lines, '5,"e', "6,f"]))[-2:] == [UNCLOSED, ["6", "f"]]


def test_a_quote_is_given_up_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "MOST_BYTES", 100)
    lines = ['0,"a', *(f"{number},bcdefgh" for number in range(1, 500)), '500,"i"']
    first, *rest = read_records(lines)
    assert first == UNCLOSED
    assert [record[0] for record in rest if isinstance(record, list)] == [str(number) for number in range(1, 501)]


def test_a_line_that_is_no_text_is_a_row_or_spoils_the_row_it_is_in() -> None:
    lines: list[str | UnreadLine] = ["text", UNDECODABLE, "a", '"b', TOO_LONG, 'c"', "d"]
    assert list(read_records(lines)) == [["text"], UNDECODABLE, ["a"], TOO_LONG, ["d"]]


def test_a_stray_line_end_is_a_failure_of_its_row() -> None:
    before, bad, after = read_records(["a", "b\rc", "d"])
    assert (before, after) == (["a"], ["d"])
    assert isinstance(bad, UnreadLine) and "not CSV" in bad.failure


@given(st.lists(st.lists(st.text(st.characters(exclude_characters="\r")), min_size=1).filter(any)))
def test_what_a_writer_writes_is_read_back(rows: list[list[str]]) -> None:
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerows(rows)
    assert list(read_records(written.getvalue().removesuffix("\n").split("\n") if rows else [])) == rows


@given(st.text(st.sampled_from('a",\n '), max_size=60))
def test_no_line_is_lost(text: str) -> None:
    """Each line is marked; whatever the quotes do, every mark is in a record, or its line is a failure of its own."""
    lines = [f"<{number}>{line}" for number, line in enumerate(text.split("\n"))]
    found = list(read_records(lines))
    shown = "".join(value for record in found if isinstance(record, list) for value in record)
    lost = [number for number in range(len(lines)) if f"<{number}>" not in shown]
    assert len(lost) == sum(isinstance(record, UnreadLine) for record in found)
