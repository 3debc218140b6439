"""Full-width letters, digits and signs as ASCII, one character for one, so that places in a text stay what they are.

This is not NFKC, which makes one character of several and several of one (`㎡`, `⑪`, `ﬁ`): what is found in the folded
text could not be pointed at in the text itself.
"""

from __future__ import annotations

import numpy as np

_FULL_WIDTH = range(0xFF01, 0xFF5F)
_TO_ASCII = 0xFEE0
_SPACES = "\u00a0\u2002\u2003\u2007\u2009\u202f\u3000"
_DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212"
# Five styles of mathematical digits; some disguise numbers with them.
_MATHEMATICAL_DIGITS = range(0x1D7CE, 0x1D800)

# For regular expressions over texts that are not folded: insides of character classes.
DIGIT_CLASS = "0-9\uff10-\uff19\U0001d7ce-\U0001d7ff"
GAP_CLASS = rf" \-\uff0d{_SPACES}{_DASHES}"
DOT_CLASS = ".\uff0e"
COLON_CLASS = ":\uff1a"
AT_CLASS = "@\uff20"


def fold_width(text: str) -> str:
    """`text` in ASCII where it has full-width forms, special spaces, dashes or mathematical digits; of equal length."""
    if text.isascii():
        return text
    points = np.frombuffer(text.encode("utf-32-le", errors="surrogatepass"), dtype="<u4")
    inside = np.minimum(points, len(_TABLE) - 1)
    folded = np.where(points < len(_TABLE), _TABLE[inside], points)
    return folded.astype("<u4").tobytes().decode("utf-32-le", errors="surrogatepass")


def _table() -> np.ndarray:
    """(0x1D800,) uint32: the folded code point of each code point."""
    table = np.arange(_MATHEMATICAL_DIGITS.stop, dtype=np.uint32)
    table[_FULL_WIDTH.start : _FULL_WIDTH.stop] -= _TO_ASCII
    table[_MATHEMATICAL_DIGITS.start :] = ord("0") + np.arange(len(_MATHEMATICAL_DIGITS)) % 10
    table[[ord(space) for space in _SPACES]] = ord(" ")
    table[[ord(dash) for dash in _DASHES]] = ord("-")
    return table


_TABLE = _table()
