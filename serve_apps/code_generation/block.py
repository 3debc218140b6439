"""One building block of the search: a small expression, what it takes, and the concepts that make it likely."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Block:
    """One expression. `cost` is its price when the requirement names all its concepts; each missing one adds to it.

    `gives` is only said of expressions on one item (bodies.py): condition, number, text or value.
    """

    expression: str
    takes: tuple[str, ...]
    concepts: frozenset[str] = frozenset()
    cost: int = 1
    gives: str = ""


def table(rows: str, cost: int = 1, gives: str = "") -> list[Block]:
    """Blocks from lines of `expression ; kinds ; concepts`."""
    blocks = []
    for line in rows.strip().splitlines():
        expression, takes, concepts = (cell.strip() for cell in line.split(" ; "))
        blocks.append(Block(expression, tuple(takes.split()), frozenset(concepts.split()) - {"-"}, cost, gives))
    return blocks
