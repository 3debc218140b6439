"""Ids that are unique over the whole corpus. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

_NEW = re.compile(r"(?:~\d+)+$")


def root(identifier: str) -> str:
    """What an id and the new ids made from it have in common."""
    return _NEW.sub("", identifier)


def rename_repeated(ids: Sequence[str]) -> dict[int, str]:
    """New ids for the places whose id occurred before: the second `a` becomes `a~2`, unless that is taken.

    Returns:
        {place: new id}, empty when all are different.
    """
    taken = set(ids)
    if len(taken) == len(ids):
        return {}
    seen: set[str] = set()
    count: dict[str, int] = {}
    renamed: dict[int, str] = {}
    for place, identifier in enumerate(ids):
        if identifier not in seen:
            seen.add(identifier)
            continue
        number = count.get(identifier, 1) + 1
        while f"{identifier}~{number}" in taken:
            number += 1
        count[identifier] = number
        renamed[place] = f"{identifier}~{number}"
        taken.add(renamed[place])
    return renamed
