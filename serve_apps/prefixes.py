"""Which replica has read the beginning of a prompt, and whether it should get the next one. Plain arithmetic."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import Generic, TypeVar

BLOCK_CHARACTERS = 64
# Prompts are compared over their first 32,768 characters.
MOST_BLOCKS = 512

ReplicaT = TypeVar("ReplicaT", bound=Hashable)


def block_hashes(text: str) -> list[bytes]:
    """A hash for each whole block, of it and all blocks before it: texts that begin alike share them."""
    hashes: list[bytes] = []
    last = b""
    for start in range(0, min(len(text) // BLOCK_CHARACTERS, MOST_BLOCKS) * BLOCK_CHARACTERS, BLOCK_CHARACTERS):
        block = text[start : start + BLOCK_CHARACTERS].encode(errors="surrogatepass")
        last = hashlib.blake2b(last + block, digest_size=8).digest()
        hashes.append(last)
    return hashes


class PrefixIndex(Generic[ReplicaT]):
    """What replicas have read: block hashes, the longest unused forgotten first.

    Args:
        remembered: most pairs of a block and a replica that are kept.
    """

    def __init__(self, remembered: int) -> None:
        self._remembered = remembered
        self._pairs: OrderedDict[tuple[bytes, ReplicaT], None] = OrderedDict()
        self._replicas: dict[bytes, set[ReplicaT]] = {}

    def __len__(self) -> int:
        return len(self._pairs)

    def add(self, hashes: Sequence[bytes], replica: ReplicaT) -> None:
        """A replica reads a prompt. Its first block counts as used last: without it the others can't be found."""
        for block in reversed(hashes):
            self._pairs[block, replica] = None
            self._pairs.move_to_end((block, replica))
            self._replicas.setdefault(block, set()).add(replica)
        while len(self._pairs) > self._remembered:
            self._forget(*next(iter(self._pairs)))

    def keep(self, replicas: Collection[ReplicaT]) -> None:
        """Forget every replica but these."""
        for block, replica in [pair for pair in self._pairs if pair[1] not in replicas]:
            self._forget(block, replica)

    def longest(self, hashes: Sequence[bytes]) -> tuple[int, set[ReplicaT]]:
        """Blocks of the longest beginning that a replica has read, and the replicas that have."""
        depth, having = 0, set[ReplicaT]()
        for block in hashes:
            found = self._replicas.get(block, set())
            deeper = found & having if depth else set(found)
            if not deeper:
                break
            depth, having = depth + 1, deeper
        return depth, having

    def _forget(self, block: bytes, replica: ReplicaT) -> None:
        del self._pairs[block, replica]
        self._replicas[block].discard(replica)
        if not self._replicas[block]:
            del self._replicas[block]


def choose(
    having: Collection[ReplicaT], loads: Mapping[ReplicaT, int], most_ahead: int, pair: Sequence[ReplicaT]
) -> ReplicaT:
    """The replica for a request.

    Args:
        having: replicas that have read the prompt's beginning.
        loads: requests under way of every replica.
        most_ahead: requests that the chosen one may have more than the idlest, else the beginning is read once more.
        pair: two replicas at random (or the only one), of which the less loaded is taken instead.
    """
    known = [replica for replica in having if replica in loads]
    if known:
        best = min(known, key=loads.__getitem__)
        if loads[best] - min(loads.values()) <= most_ahead:
            return best
    return min(pair, key=loads.__getitem__)


def with_room(loads: Mapping[ReplicaT, int], limits: Mapping[ReplicaT, int]) -> dict[ReplicaT, int]:
    """Those of `loads` that may take one more request."""
    return {replica: load for replica, load in loads.items() if load < limits[replica]}
