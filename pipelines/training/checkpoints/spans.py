"""Which elements of which tensors a worker has, and who writes what is there more than once: pure arithmetic.

A tensor may be cut twice. Tensor and expert parallelism cut it along an axis (`Cut`); ZeRO then cuts what is left,
taken as a flat row of elements, at any place (`Span`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

# Pieces smaller than this are not worth an entry of their own.
_SPLIT_ELEMENTS = 1 << 14


@dataclass(frozen=True, order=True)
class Cut:
    """A part of a tensor: `axis` holds `groups` blocks of equal size, each is cut into `parts`, and `part` is here."""

    axis: int = 0
    part: int = 0
    parts: int = 1
    groups: int = 1

    def local_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """The shape of the part of a tensor of `shape`."""
        return tuple(size // self.parts if axis == self.axis else size for axis, size in enumerate(shape))

    def meets(self, other: Cut) -> bool:
        """Whether the two may share elements of a tensor; True where it is not worth finding out."""
        if (self.axis, self.groups) != (other.axis, other.groups):
            return True
        return (
            self.part * other.parts < (other.part + 1) * self.parts
            and other.part * self.parts < (self.part + 1) * other.parts
        )


WHOLE = Cut()


@dataclass(frozen=True, order=True)
class Span:
    """Elements start..stop, in row-major order, of the part `cut` of the tensor `name`."""

    name: str
    cut: Cut
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    def overlap(self, other: Span) -> tuple[int, int]:
        """The elements (start, stop) that both have, given the same name and cut; empty when stop <= start."""
        return max(self.start, other.start), min(self.stop, other.stop)


def assign(held: Sequence[Iterable[Span]]) -> list[list[Span]]:
    """Who writes what: everything that somebody holds exactly once, shared as evenly as it goes.

    Args:
        held: by rank, what it holds; the same elements may be with many.
    """
    by_tensor: dict[tuple[str, Cut], list[tuple[int, Span]]] = defaultdict(list)
    for rank, spans in enumerate(held):
        for span in spans:
            by_tensor[span.name, span.cut].append((rank, span))
    load = [0] * len(held)
    written: list[list[Span]] = [[] for _ in held]
    for (name, cut), holders in sorted(by_tensor.items()):
        for start, stop, ranks in _stretches(holders):
            for rank, first, last in _shares(start, stop, ranks, load):
                written[rank].append(Span(name, cut, first, last))
                load[rank] += last - first
    return written


def _stretches(holders: list[tuple[int, Span]]) -> Iterable[tuple[int, int, list[int]]]:
    """Stretches of elements that the same ranks hold: (start, stop, ranks), in order."""
    changes: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for rank, span in holders:
        changes[span.start].append((rank, 1))
        changes[span.stop].append((rank, -1))
    active: Counter[int] = Counter()
    for start, stop in pairwise(sorted(changes)):
        for rank, change in changes[start]:
            active[rank] += change
            if not active[rank]:
                del active[rank]
        if active:
            yield start, stop, sorted(active)


def _shares(start: int, stop: int, ranks: list[int], load: list[int]) -> Iterable[tuple[int, int, int]]:
    """Deal out start..stop: (rank, start, stop)."""
    pieces = max(1, min(len(ranks), (stop - start) // _SPLIT_ELEMENTS))
    chosen = sorted(ranks, key=lambda rank: (load[rank], rank))[:pieces]
    for number, rank in enumerate(sorted(chosen)):
        first, last = ((stop - start) * place // pieces for place in (number, number + 1))
        yield rank, start + first, start + last


def missing(target: Span, stored: Iterable[Span]) -> tuple[int, int] | None:
    """The first stretch of `target` that none of `stored` (of the same name and cut) covers, or None."""
    reached = target.start
    for span in sorted(stored, key=lambda span: span.start):
        if span.start > reached:
            break
        reached = max(reached, span.stop)
    if reached >= target.stop:
        return None
    later = [span.start for span in stored if span.start > reached]
    return reached, min([target.stop, *later])
