"""Folding to ASCII width: places stay."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from pipelines.cleaning.width import fold_width


def test_full_width_forms_dashes_spaces_and_mathematical_digits_become_ascii() -> None:
    assert fold_width("１３８—１２３４－５６７８　ＡｂＣ＠ｑｑ．ｃｏｍ\u00a0𝟏𝟘𝟵") == "138-1234-5678 AbC@qq.com 109"


def test_other_characters_stay() -> None:
    text = "㎡⑪ﬁ²·中文，😀𠮷\ud83d"
    assert fold_width(text) == text.replace("，", ",")


@given(st.text(st.characters(exclude_categories=[])))
def test_every_character_keeps_its_place(text: str) -> None:
    folded = fold_width(text)
    assert len(folded) == len(text)
    assert fold_width(folded) == folded
    for before, after in zip(text, folded, strict=True):
        assert before == after or after.isascii()
        if before != after and unicodedata.category(before) in ("Nd", "Lu", "Ll"):
            assert unicodedata.normalize("NFKC", before) == after
