"""Which encoding bytes are in: strict decoding first, then what reads most like text. Pure.

UTF-8 and UTF-16 prove themselves. GB18030 and Big5 share most byte pairs, but the usual characters of one decode to
rare ones in the other, so the share of usual characters decides.
"""

from __future__ import annotations

import codecs

import charset_normalizer

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_NUL_SHARE = 0.15
_STRAY_NUL_SHARE = 0.01
# UTF-16 with so few ASCII characters is next to never valid UTF-8.
_FEW_NULS = 0.05
_USUAL_SHARE = 0.5
# The lead bytes of the usual characters, ordered before the rare ones in both standards.
_USUAL_LEADS = {"gb18030": (0xB0, 0xD7), "big5hkscs": (0xA4, 0xC6)}


def detect_encoding(data: bytes, *, whole: bool = True) -> str | None:
    """A codec that decodes `data` strictly, or None for what is no text.

    Args:
        data: the file, or its beginning.
        whole: whether `data` is the whole file; else a character cut at the end is forgiven.
    """
    marked = marked_encoding(data)
    if marked is not None:
        return marked if _decodes(data, marked, whole) else None
    nuls = data.count(0)
    if nuls <= _FEW_NULS * len(data) and _decodes(data, "utf-8", whole):
        return "utf-8"
    if nuls and (wide := _utf16_without_mark(data, whole)) is not None:
        return wide
    if nuls <= _STRAY_NUL_SHARE * len(data) and _mostly_utf8(data):
        return "utf-8"
    if nuls:
        return None
    shares = {codec: _usual_share(data, codec, whole) for codec in _USUAL_LEADS}
    best = max(shares, key=lambda codec: shares[codec])
    if shares[best] >= _USUAL_SHARE:
        return best
    return _guess(data)


def marked_encoding(data: bytes) -> str | None:
    """The codec that a byte order mark names, or None without one."""
    return next((codec for mark, codec in _MARKS if data.startswith(mark)), None)


def _decodes(data: bytes, codec: str, whole: bool) -> bool:
    try:
        codecs.getincrementaldecoder(codec)("strict").decode(data, final=whole)
    except UnicodeError:
        return False
    return True


def _mostly_utf8(data: bytes) -> bool:
    """Whether most of the lines that need an encoding at all are UTF-8: files that were put together from several."""
    lines = [line for line in data.split(b"\n") if not line.isascii()]
    return sum(_decodes(line, "utf-8", True) for line in lines) > len(lines) / 2


def _utf16_without_mark(data: bytes, whole: bool) -> str | None:
    """UTF-16 shows itself by NUL bytes in every other place (ASCII parts, line ends); other NULs mean binary."""
    even, odd = data[0::2].count(0), data[1::2].count(0)
    codec = "utf-16-le" if odd > even else "utf-16-be"
    wrong = min(even, odd)
    if wrong > _NUL_SHARE * max(even, odd) or not _decodes(data, codec, whole):
        return None
    text = codecs.getincrementaldecoder(codec)("strict").decode(data, final=whole)
    return codec if text.isprintable() or _readable_share(text) > 1 - _NUL_SHARE else None


def _readable_share(text: str) -> float:
    return sum(c.isalnum() or c.isspace() or c.isprintable() for c in text) / max(len(text), 1)


def _usual_share(data: bytes, codec: str, whole: bool) -> float:
    """Share of the two-byte characters that are usual ones; 0 when the bytes are not valid in `codec`."""
    if not _decodes(data, codec, whole):
        return 0.0
    low, high = _USUAL_LEADS[codec]
    usual = pairs = place = 0
    while place < len(data):
        if data[place] < 0x80:
            place += 1
            continue
        four_bytes = codec == "gb18030" and place + 1 < len(data) and 0x30 <= data[place + 1] <= 0x39
        pairs += 1
        usual += not four_bytes and low <= data[place] <= high
        place += 4 if four_bytes else 2
    return usual / pairs if pairs else 0.0


def _guess(data: bytes) -> str | None:
    """Other single- and multi-byte encodings, by charset-normalizer."""
    best = charset_normalizer.from_bytes(data).best()
    return best.encoding if best is not None else None
