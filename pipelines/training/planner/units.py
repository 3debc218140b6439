"""Numbers as people read them."""

from __future__ import annotations

from collections.abc import Sequence

_STEPS = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_COUNTS = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"))


def size(number: float) -> str:
    """Bytes: `16.4 GB`; decimal, as links are sold."""
    return f"{_short(number, _STEPS)}B"


def count(number: float) -> str:
    """Tokens or parameters: `1.64T`."""
    return _short(number, _COUNTS).replace(" ", "")


def _short(number: float, steps: Sequence[tuple[float, str]]) -> str:
    for step, letter in steps:
        if number >= 0.9995 * step:
            return f"{number / step:.3g} {letter}"
    return f"{number:.3g} "


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns under each other: numbers are set right, as are their headings."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
