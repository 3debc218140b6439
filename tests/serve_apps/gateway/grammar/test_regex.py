"""Patterns are read as Python reads them, or refused."""

from __future__ import annotations

import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu.errors import InputError
from serve_apps.gateway.grammar.characters import complement
from serve_apps.gateway.grammar.pattern import parse_pattern

ATOMS = st.sampled_from(
    ["a", "b", "中", "[ab]", "[^a]", r"\d", r"\W", r"\.", r"\u4e2d", ".", "(a|b中)", "(?:ab)", "[a-c-]"]
)
PARTS = st.tuples(ATOMS, st.sampled_from(["", "*", "+", "?", "{2}", "{1,3}", "{2,}", "*?"])).map("".join)
PATTERNS = st.lists(st.lists(PARTS, max_size=3).map("".join), min_size=1, max_size=3).map("|".join)
TEXTS = st.text(alphabet="ab中.1 \n", max_size=8)


@given(PATTERNS, TEXTS)
def test_matching_agrees_with_python(pattern: str, text: str) -> None:
    python = re.compile(pattern.replace(".", "[^\\n\\r]") if pattern == "." else pattern, re.ASCII)
    parsed = parse_pattern(pattern)
    assert parsed.fits_whole(text) == (python.fullmatch(text) is not None)
    assert parsed.fits(text) == (python.search(text) is not None)


@given(PATTERNS, TEXTS)
def test_anchors_bind_the_ends(pattern: str, text: str) -> None:
    anchored = parse_pattern(f"^({pattern})$")
    assert anchored.fits(text) == (re.compile(pattern, re.ASCII).fullmatch(text) is not None)


def test_no_pattern_takes_more_than_polynomial_time() -> None:
    """Python's own matching of it would outlast the universe."""
    assert not parse_pattern("^(a|aa)*(a|aa)*(a|aa)*c$").fits("a" * 400)
    assert not parse_pattern(".*a?.*a?.*a?.*b").fits_whole("ab" * 4000 + "a")


@pytest.mark.parametrize(
    ("pattern", "rule"),
    [
        ("(", "not closed"),
        ("a)", "without an opening"),
        ("[a", "in the middle"),
        ("a\\", "in the middle"),
        ("*a", "nothing before"),
        ("a**", "after a quantifier"),
        ("a{3,1}", "wrong way round"),
        ("a{101}", "above 100"),
        ("a{1000000}", "above 100, the most that is allowed"),
        ("a{1," + "9" * 900 + "}", "above 100, the most"),
        ("a{x}", "written"),
        ("[z-a]", "wrong way round"),
        ("(?=a)b", "look-around"),
        ("(?<!a)b", "look-around"),
        ("(?i)a", "look-around and flags"),
        (r"(a)\1", "can't be held"),
        (r"\bword", "can't be held"),
        (r"\ud800", "surrogate"),
        (r"a\x00", r"U\+0000"),
        (r"[\u0000-a]", r"U\+0000"),
        ("a\0", r"U\+0000"),
        ("a^b", "two ends"),
        ("^a|b$", "one side"),
        ("[^\\s\\S]", "holds no character"),
        ("(a{30}){30}", "written out"),
        ("a" * 1001, "1001 characters"),
        ("(" * 40 + ")" * 40, "inside each other"),
        ("\\x4", "hexadecimal"),
        ("(a+)+", "ambiguous"),
        ("((((.*)*)*)*)*", "ambiguous"),
        ("(a?)*", "ambiguous"),
        ("(.{1,5})*", "ambiguous"),
        (r"(\w+\s?)*", "ambiguous"),
        (".*" * 11, "at most 10"),
    ],
)
def test_what_a_grammar_cannot_hold_is_refused(pattern: str, rule: str) -> None:
    with pytest.raises(InputError, match=rule):
        parse_pattern(pattern)


@given(st.text(max_size=30))
def test_any_text_is_a_pattern_or_refused(pattern: str) -> None:
    with suppress(InputError):
        parse_pattern(pattern)


def test_no_engine_is_asked_for_the_character_nul() -> None:
    for pattern in (".", "[^a]", r"\W", r"\D"):
        assert not parse_pattern(pattern).fits("\0") and parse_pattern(pattern).fits("\1")


def test_a_complement_is_everything_else_that_can_be_written() -> None:
    ranges = complement(((97, 122),))
    assert ranges == ((1, 96), (123, 0xD7FF), (0xE000, 0x10FFFF))
    assert complement(ranges) == ((97, 122),)
