"""The tables against what they stand for."""

from __future__ import annotations

import re
import unicodedata

import opencc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.cleaning.characters import Kind, code_points, kind_table, to_text
from pipelines.cleaning.keys import comparison_key

_T2S = opencc.OpenCC("t2s")
_TEXTS = st.text(st.one_of(st.characters(codec="utf-8"), st.sampled_from("開戶ＡＢ，é½㎏한국\u0301ﬁ")), max_size=30)


def plain_key(text: str) -> str:
    """The key as it is defined, character by character."""
    folded = unicodedata.normalize("NFKC", text).lower()
    return re.sub(r"[\W_]+", "", "".join(map(_T2S.convert, folded)))


@settings(deadline=None)  # the first call makes the tables
@given(_TEXTS)
def test_keys_are_as_they_are_defined(text: str) -> None:
    assert comparison_key(text) == plain_key(text)


@given(st.text())
def test_code_points_and_back(text: str) -> None:
    assert to_text(code_points(text)) == text


@pytest.mark.parametrize(
    ("characters", "kind"),
    [
        ("银行銀", Kind.COMMON_HAN),
        ("龘靐", Kind.RARE_HAN),
        ("かな", Kind.KANA),
        ("한", Kind.HANGUL),
        ("aÉß", Kind.LATIN),
        ("жاα", Kind.OTHER_LETTER),
        ("0９", Kind.DIGIT),
        ("，。!？“”（", Kind.PUNCTUATION),
        ("★#|<_→", Kind.SYMBOL),
        (" \n\u3000", Kind.SPACE),
        ("\ufffd\ue000\x01\ud800\u0378", Kind.BROKEN),
    ],
)
def test_kinds(characters: str, kind: Kind) -> None:
    assert {Kind(value) for value in kind_table()[code_points(characters)]} == {kind}
