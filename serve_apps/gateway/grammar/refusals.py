"""How a JSON schema is refused: by the place in it, and why."""

from __future__ import annotations

from typing import NoReturn

from danlu.errors import InputError


def shortened(value: object) -> str:
    """A value as an error shows it."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def refuse(place: str, why: str) -> NoReturn:
    """Raises InputError."""
    # Both ends say more of a deep place than its middle.
    shown = place if len(place) <= 120 else f"{place[:60]}...{place[-57:]}"
    raise InputError(f"JSON schema at {shown}", rule=why)
