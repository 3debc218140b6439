"""Web pages: their bytes to text, and of the text the part that is worth reading."""

from __future__ import annotations

import logging
import re

from pipelines.cleaning.encodings import marked_encoding
from pipelines.cleaning.streams import decode

NO_MAIN_TEXT = "no main text found in the page"
# What a page or server may call its charset, and the codec (the largest one of its family) that reads it. Only those
# that can fail: a single-byte charset decodes any bytes, so that naming it (servers do so by default) proves nothing.
_CODECS = {
    **dict.fromkeys(("gb2312", "gbk", "x-gbk", "gb18030", "cp936", "gb_2312-80", "chinese"), "gb18030"),
    **dict.fromkeys(("big5", "big5-hkscs", "x-x-big5", "cn-big5"), "big5hkscs"),
    **dict.fromkeys(("euc-jp", "x-euc-jp"), "euc_jp"),
    **dict.fromkeys(("shift_jis", "shift-jis", "sjis", "x-sjis", "windows-31j"), "cp932"),
    **dict.fromkeys(("euc-kr", "ks_c_5601-1987", "windows-949"), "cp949"),
    **dict.fromkeys(("utf-16", "utf-16le"), "utf-16-le"),
    "utf-16be": "utf-16-be",
}
_META = re.compile(rb"""<(?:meta|\?xml)\b[^>]{0,200}?(?:charset|encoding)\s*=\s*["']?\s*([-\w]+)""", re.IGNORECASE)
_META_BYTES = 4096


def decode_page(data: bytes, declared: str = "") -> str:
    """The page as text.

    UTF-8 proves itself and goes before what anybody says; else the charset `declared` by the server, else the one in
    the page's head, else whatever the bytes read best in.

    Raises:
        NoTextError: they are in no known encoding.
    """
    if marked_encoding(data) is None:
        named = _META.search(data[:_META_BYTES])
        charsets = (declared, named[1].decode("ascii", "replace") if named else "")
        for codec in ("utf-8", *(_CODECS.get(charset.lower(), "") for charset in charsets)):
            text = _try_codec(data, codec)
            if text is not None:
                return text
    return decode(data)


def _try_codec(data: bytes, codec: str) -> str | None:
    """The text, unless it is none: then a byte does not fit, or NUL comes up."""
    try:
        text = data.decode(codec) if codec else "\0"
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def main_text(page: str) -> str | None:
    """The page's text without menus, comments and footers; None when there is none."""
    if not page.strip():
        return None
    import trafilatura

    logging.getLogger("trafilatura").setLevel(logging.CRITICAL)  # it logs what the failure row of a page says anyway
    return trafilatura.extract(page, include_comments=False, favor_precision=True)
