"""Connected components by union-find with path halving. Tarjan and van Leeuwen, 1984. Pure."""

from __future__ import annotations

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


def components(edges: np.ndarray) -> list[np.ndarray]:
    """The connected components of (n_edges, 2) numbers: ascending int64 numbers, ordered by their smallest."""
    numbers, ends = np.unique(edges, return_inverse=True)
    sets = UnionFind(len(numbers))
    for a, b in ends.reshape(-1, 2).tolist():
        sets.unite(a, b)
    members: dict[int, list[int]] = {}
    for item in range(len(numbers)):
        members.setdefault(sets.find(item), []).append(item)
    return [numbers[group].astype(np.int64) for _, group in sorted(members.items()) if len(group) > 1]
