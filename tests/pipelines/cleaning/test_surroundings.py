"""Whether a number stands by itself."""

from __future__ import annotations

import pytest

from pipelines.cleaning.surroundings import in_web_address, is_grouped_further, stands_alone


def _span(text: str) -> tuple[str, int, int]:
    """The text without the brackets, and where what they enclose lies in it."""
    start = text.index("[")
    return text.replace("[", "").replace("]", ""), start, text.index("]") - 1


@pytest.mark.parametrize(
    "text", ["[123]", "电话[123]号", "Tel[123]", "id=[123]", "vx:[123]", "1、[123]。", "a.cn/?tel=[123]", "([123])"]
)
def test_by_itself(text: str) -> None:
    assert stands_alone(*_span(text))


@pytest.mark.parametrize(
    "text", ["A[123]", "_[123]", "hotel[123]", "[123]b", "[123]_", "3.[123]", "[123].5", "http://a/[123]", "a.cn/[123]"]
)
def test_a_part_of_something(text: str) -> None:
    assert not stands_alone(*_span(text))


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("见https://a.cn/b[1]", True),
        ("见a.cn/b[1]", True),
        ("见a.cn/，电话[1]", False),
        ("见a.cn/ [1]", False),
        ("<a.cn/b>[1]", False),
        ("电话/传真[1]", False),
        ("5/[1]", False),
    ],
)
def test_where_a_web_address_ends(text: str, inside: bool) -> None:
    plain, start, _ = _span(text)
    assert in_web_address(plain, start) is inside


@pytest.mark.parametrize(
    ("text", "separators", "grouped"),
    [
        ("2023-[123]", "-", True),
        ("[123]-01", "-", True),
        ("[123]-A", "-", True),
        ("AB12-[123]", "-", True),
        ("12 [123]", "- ", True),
        ("12 [123]", "-", False),
        ("[123] 12", "- ", True),
        ("[123] abc", "- ", False),
        ("tel [123]", "- ", False),
        ("12345678-[123]", "-", False),
        ("[123]-12345678", "-", False),
        ("号[123]、12", "- ", False),
    ],
)
def test_groups_that_go_on(text: str, separators: str, grouped: bool) -> None:
    plain, start, end = _span(text)
    assert is_grouped_further(plain, start, end, separators) is grouped
