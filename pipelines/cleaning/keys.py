"""The key by which texts are compared. Only the key is folded this far; the text that is kept stays as it was."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from pipelines.cleaning.characters import TOGETHER, code_points, fold_table, to_text
from pipelines.cleaning.concatenation import Concatenation

if TYPE_CHECKING:
    import opencc

_NO_WORD = re.compile(r"[\W_]+")
DIGEST_BYTES = 16


def simplify(text: str) -> str:
    """Traditional characters to simplified ones."""
    return _converter().convert(text)


def comparison_key(text: str) -> str:
    """Compatibility forms, case, script, punctuation and spaces folded away: `ＡＢ，開戶` and `ab开户` are one.

    Script is folded character by character: `simplify` knows phrases, but a key has only to be the same for both.
    """
    points = fold_table()[code_points(text)]
    if (points == TOGETHER).any():
        composed = _NO_WORD.sub("", unicodedata.normalize("NFKC", text).lower())
        points = fold_table()[code_points(composed)]
        if (points == TOGETHER).any():  # a letter that needs its mark: both stay as they are
            return composed
    return to_text(points[points != 0])


def comparison_keys(texts: Sequence[str], laid: Concatenation) -> Concatenation:
    """The comparison keys of many texts, which are laid end to end already."""
    folded = fold_table()[laid.points]
    keys = Concatenation(folded, laid.lengths).select(folded != 0)
    together = np.flatnonzero(folded == TOGETHER)
    if not len(together):
        return keys
    parts = keys.split()
    for place in np.unique(laid.owners[together]).tolist():
        parts[place] = code_points(comparison_key(texts[place]))
    return Concatenation.join(parts)


def key_digest(text: str, key: str) -> bytes:
    """16 bytes, equal for texts with equal keys. A text whose key is empty (only symbols) stands for itself."""
    return hashlib.blake2b((key or text).encode("utf-8", errors="surrogatepass"), digest_size=DIGEST_BYTES).digest()


@cache
def _converter() -> opencc.OpenCC:
    import opencc

    return opencc.OpenCC("t2s")
