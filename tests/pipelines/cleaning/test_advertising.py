"""Signs of advertising, and the short cut to them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipelines.cleaning.advertising import _COMPILED, _MARKS, _QUOTED, advertising_signs

_PIECES = sorted(
    {mark for marks in _MARKS.values() for mark in marks} | set("加我代 元满减折送买三一1234567890领抢人多:：WX")
)


@given(st.lists(st.sampled_from(_PIECES), max_size=12).map("".join))
def test_marks_pass_over_no_sign(text: str) -> None:
    """Patterns are only tried where one of their marks is; they must find nothing elsewhere."""
    own = _QUOTED.sub("", text)
    plain = {name: len(list(pattern.finditer(own))) for name, pattern in _COMPILED.items()}
    assert advertising_signs(text) == {name: count for name, count in plain.items() if count}


def test_what_is_quoted_is_talked_about() -> None:
    assert advertising_signs("警惕“加微信领红包”的骗局") == {}
    assert set(advertising_signs("加微信领红包")) == {"messenger", "gift"}
