"""What ended requests took, as it is told to the ledger and written down."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import uuid4

# Charges that are known again, also after a restart: as many as a gateway keeps for a ledger that does not answer.
REMEMBERED = 100_000


@dataclass(frozen=True)
class Charge:
    """What a request took in the end.

    Args:
        grant: the id that it was admitted with, None where it has no limits.
        served: whether it counts as a request of the key's; one that was left before it was let in does not.
        id: of the charge, which may be told twice where the first answer was lost.
    """

    key: str
    tokens: int
    grant: str | None = None
    served: bool = True
    id: str = field(default_factory=lambda: uuid4().hex)


@dataclass(frozen=True)
class Entry:
    """What a charge changes, as it is written down.

    Args:
        requests, tokens: to add to what the key has taken; below zero where more was taken for it before.
        told: what the charge is known by when it is told again.
        final: False for a request that was given up, whose end may still be told.
    """

    key: str
    requests: int
    tokens: int
    told: str
    final: bool = True


def shortened(entries: list[Entry]) -> list[Entry]:
    """As many entries as are remembered; where there are more, the oldest become one for each key."""
    oldest, newest = entries[:-REMEMBERED], entries[-REMEMBERED:]
    sums: dict[str, tuple[int, int]] = {}
    for entry in oldest:
        requests, tokens = sums.get(entry.key, (0, 0))
        sums[entry.key] = requests + entry.requests, tokens + entry.tokens
    return [Entry(key, *added, told=uuid4().hex) for key, added in sums.items()] + newest
