"""Ids of rows, and halves of characters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.cleaning.document import mend_surrogates, row_id

ANY_TEXT = st.text(st.characters(codec=None, categories=["L", "N", "Cs", "P"]), max_size=20)


def test_a_row_is_named_by_its_file() -> None:
    assert row_id("s3://bucket/raw/part.jsonl", 12) == "part.jsonl#12"


@pytest.mark.parametrize(
    ("text", "mended"), [("\ud83d\ude00", "\U0001f600"), ("一\ud83d二", "一\ufffd二"), ("plain 文", "plain 文")]
)
def test_halves_are_joined_or_replaced(text: str, mended: str) -> None:
    assert mend_surrogates(text) == mended


@given(ANY_TEXT)
def test_what_is_mended_can_be_written_and_stays(text: str) -> None:
    mended = mend_surrogates(text)
    assert mended.encode().decode() == mended == mend_surrogates(mended)
