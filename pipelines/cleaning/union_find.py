"""Connected components by union-find with path halving. Tarjan and van Leeuwen, 1984. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np


class UnionFind:
    """Disjoint sets of the numbers 0 to n - 1; a set's root is its smallest number."""

    def __init__(self, n: int) -> None:
        self._parent = list(range(n))

    def find(self, item: int) -> int:
        parent = self._parent
        while parent[item] != item:
            parent[item] = parent[parent[item]]
            item = parent[item]
        return item

    def unite(self, a: int, b: int) -> None:
        root_a, root_b = self.find(a), self.find(b)
        if root_a != root_b:
            self._parent[max(root_a, root_b)] = min(root_a, root_b)


def components(n: int, edges: Iterable[Sequence[int]]) -> list[np.ndarray]:
    """The connected components with at least two members: ascending int64 numbers, ordered by their smallest."""
    sets = UnionFind(n)
    touched: set[int] = set()
    for a, b in edges:
        sets.unite(int(a), int(b))
        touched.update((int(a), int(b)))
    members: dict[int, list[int]] = {}
    for item in sorted(touched):
        members.setdefault(sets.find(item), []).append(item)
    return [np.array(group, dtype=np.int64) for _, group in sorted(members.items()) if len(group) > 1]
