"""Chinese numerals as people type them: 五百, 两万三, 1.5万, 一千零二十块五."""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal

_DIGITS = {c: i for i, c in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2, "俩": 2, "幺": 1}
_DIGITS |= {c: i for i, c in enumerate("壹贰叁肆伍陆柒捌玖", start=1)}
_UNITS = {"十": 10, "拾": 10, "百": 100, "佰": 100, "千": 1000, "仟": 1000, "k": 1000}
_SECTIONS = {"万": 10_000, "w": 10_000, "亿": 100_000_000}

NUMERAL = "0-9零〇一二两俩三四五六七八九十百千万亿壹贰叁肆伍陆柒捌玖拾佰仟"
_TOKEN = re.compile(r"\d+(?:\.\d+)?|.")
_THOUSANDS = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?!,?\d)")


def half_width(text: str) -> str:
    """Full-width digits and letters become plain ones; the length is kept.

    The comma `，` stays: it parts sentences, the plain one may part thousands.
    """
    return "".join(plain if len(plain := unicodedata.normalize("NFKC", c)) == 1 and c != "，" else c for c in text)


def joined_thousands(text: str) -> str:
    """The text without the commas that part thousands: `1,000,000` -> `1000000`, and `6789,500` stays."""
    return _THOUSANDS.sub(lambda match: match[0].replace(",", ""), text)


def spoken_digits(text: str) -> str:
    """Single Chinese digits become Arabic ones, position by position: `尾号六七八九` -> `尾号6789`."""
    return "".join(str(_DIGITS[c]) if c in _DIGITS else c for c in half_width(text))


def parse_number(text: str) -> Decimal | None:
    """The value of a numeral, Arabic, Chinese or mixed (`1.5万`, `1,000`, `两千三`); None when it is none.

    A digit after a unit and before nothing stands for the next lower unit, as it is spoken: 两千三 is 2300.
    """
    tokens = _TOKEN.findall(joined_thousands(half_width(text)).lower())
    if not tokens:
        return None
    total, section, digit, unit = Decimal(0), Decimal(0), None, Decimal(1)
    for token in tokens:
        if token[0].isdigit() and token.isascii():
            if digit is not None:
                return None
            digit, unit = Decimal(token), Decimal(1) if len(token) > 1 else unit
        elif token in _DIGITS:
            zero = _DIGITS[token] == 0
            if digit is not None and not zero and digit != 0:
                return None
            digit, unit = (None, Decimal(1)) if zero else (Decimal(_DIGITS[token]), unit)
        elif token in _UNITS:
            unit = Decimal(_UNITS[token])
            section, digit = section + (1 if digit is None else digit) * unit, None
        elif token in _SECTIONS and (section or digit or total):
            size = Decimal(_SECTIONS[token])
            total, section, digit = total + (section + (digit or 0)) * size, Decimal(0), None
            unit = size
        else:
            return None
    return total + section + (digit or 0) * (unit / 10 if unit > 1 else 1)
