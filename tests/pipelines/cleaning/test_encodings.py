"""Finding the encoding of bytes."""

from __future__ import annotations

import codecs
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.cleaning.encodings import detect_encoding

SIMPLIFIED = "银行卡丢失后，请先在手机上挂失，然后带着身份证到任意网点补办，大约需要三个工作日。"
TRADITIONAL = "銀行卡遺失後，請先在手機上掛失，然後帶著身分證到任意分行補辦，大約需要三個工作天。"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (SIMPLIFIED, "utf-8"),
        (SIMPLIFIED, "gb18030"),
        (SIMPLIFIED, "gbk"),
        (TRADITIONAL, "big5"),
        (SIMPLIFIED, "utf-16"),
        (SIMPLIFIED + "\n" + "Call 95588 or use the app.\n" * 20, "utf-16-le"),
        ("plain ASCII\n" * 3, "ascii"),
        (SIMPLIFIED, "utf-8-sig"),
    ],
)
def test_the_found_encoding_decodes_to_the_text(text: str, encoding: str) -> None:
    data = text.encode(encoding)
    found = detect_encoding(data)
    assert found is not None
    assert data.decode(found) == text


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "big5"])
def test_a_beginning_may_end_within_a_character(encoding: str) -> None:
    data = (TRADITIONAL if encoding == "big5" else SIMPLIFIED).encode(encoding)[:-1]
    found = detect_encoding(data, whole=False)
    assert found is not None
    assert codecs.lookup(found).name in (encoding, "big5hkscs")


def test_a_few_lines_in_another_encoding_do_not_decide() -> None:
    lines = [SIMPLIFIED.encode()] * 5 + [SIMPLIFIED.encode("gb18030")]
    assert detect_encoding(b"\n".join(lines)) == "utf-8"


@pytest.mark.parametrize("data", [bytes(range(256)) * 8, b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x01" * 30])
def test_binary_data_has_no_encoding(data: bytes) -> None:
    assert detect_encoding(data) is None


@pytest.mark.parametrize("text", ["a plain line of text, and a NUL \0 in it", SIMPLIFIED + "\0"])
def test_a_stray_nul_makes_no_utf16(text: str) -> None:
    assert detect_encoding(text.encode()) == "utf-8"


def test_noise_has_no_encoding() -> None:
    assert detect_encoding(random.Random(0).randbytes(5000)) is None


@given(st.text())
def test_every_utf8_text_without_nul_is_found(text: str) -> None:
    data = text.replace("\x00", "").encode()
    found = detect_encoding(data)
    assert found is not None
    assert data.decode(found).lstrip("\ufeff") == text.replace("\x00", "").lstrip("\ufeff")
