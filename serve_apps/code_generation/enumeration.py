"""Bottom-up search for an expression that gives the expected values; runs inside the sandbox, after kinds.py.

Expressions are made in the order of their cost. Of those that give the same values on all examples only the cheapest is
kept (observational equivalence, as in TRANSIT: Udupa et al., PLDI 2013), which is what keeps the search small; those
that account for other words of the requirement count as different.
"""

import heapq  # noqa: F401  # for the expressions, as the modules below
import math
import re  # noqa: F401
import signal
import statistics  # noqa: F401
import time
from typing import Any

from serve_apps.code_generation.kinds import shared_kinds

_MOST_TEXT = 4000
_MOST_ITEMS = 400
_LARGEST_INTEGER = 10**60
# What one step may be asked for: a long computation inside the interpreter can't be interrupted.
_LEAST_COUNT, _LARGEST_EXPONENT, _LARGEST_FACTORIAL = 20_000, 64, 300
_EVALUATION_S = 0.1


def search(task: dict[str, Any]) -> list[tuple[int, int, str]]:
    """Expressions that give all expected values: [(cost, marks, expression), ...], best first.

    The search ends when no expression can be better than the best one: its cost and what it leaves unaccounted for.
    `marks` is a set of bits: which words of the requirement, constants and variables the expression accounts for.

    Args:
        task: {helpers: source, variables: [(name, [value for each example], marks)], constants: [(text, value, cost,
            marks)], blocks: [(expression, [kinds], cost, marks)], expected: [value], variable_marks: bits of which an
            expression must have one, weights: [(bit, what an expression without it costs)], most_cost, most_tried,
            most_found, cpu_seconds}.
    """
    names = dict(globals())
    exec(task["helpers"], names)
    signal.signal(signal.SIGALRM, _too_slow)
    space = _Space(task, names)
    for cost in range(1, task["most_cost"] + 1):
        space.grow(cost)
        if cost >= space.best or space.exhausted():
            break
    signal.setitimer(signal.ITIMER_REAL, 0)
    return [found[1:] for found in sorted(space.found)[: task["most_found"]]]


class _Space:
    """All expressions so far, by cost and kind; an entry is (expression, values, marks)."""

    def __init__(self, task: dict[str, Any], names: dict[str, Any]) -> None:
        self.expected = task["expected"]
        self.variable_marks, self.weights = task["variable_marks"], task["weights"]
        self.most_tried, self.end = task["most_tried"], time.process_time() + task["cpu_seconds"]
        self.tried, self.best = 0, math.inf
        self.largest_count = max([_LEAST_COUNT, *_integers(task["variables"]), *_integers(self.expected)])
        self.found: list[tuple[float, int, int, str]] = []
        self.seen: dict[str, list[int]] = {}
        self.entries: dict[tuple[int, str], list[tuple[str, list[Any], int]]] = {}
        self.leaves = [(1, name, values, marks) for name, values, marks in task["variables"]]
        for text, value, cost, marks in task["constants"]:
            self.leaves.append((cost, text, [value] * len(self.expected), marks))
        self.blocks: dict[int, list[tuple[str, Any, list[str], int]]] = {}
        for expression, takes, cost, marks in task["blocks"]:
            self.blocks.setdefault(cost, []).append((expression, _function(expression, takes, names), takes, marks))

    def exhausted(self) -> bool:
        return self.tried >= self.most_tried or time.process_time() > self.end

    def grow(self, cost: int) -> None:
        """Make all expressions of one cost."""
        for leaf_cost, text, values, marks in self.leaves:
            if leaf_cost == cost:
                self.keep(cost, text, values, marks)
        for block_cost, blocks in sorted(self.blocks.items()):
            for expression, function, takes, marks in blocks:
                for arguments in self.arguments(takes, cost - block_cost):
                    if self.exhausted():
                        return
                    if len({entry[0] for entry in arguments}) == len(arguments):  # a value and itself: seldom meant
                        self.apply(cost, marks, expression, function, arguments)

    def arguments(self, takes: list[str], cost: int) -> list[tuple[Any, ...]]:
        """All argument lists of the given kinds whose costs add up to `cost`."""
        if not takes:
            return [()] if cost == 0 else []
        lists: list[tuple[Any, ...]] = []
        for first_cost in range(1, cost - len(takes) + 2):
            for entry in self.entries.get((first_cost, takes[0]), ()):
                lists.extend((entry, *rest) for rest in self.arguments(takes[1:], cost - first_cost))
        return lists

    def apply(self, cost: int, marks: int, expression: str, function: Any, arguments: tuple[Any, ...]) -> None:
        """Evaluate one block on one list of arguments, on every example."""
        self.tried += 1
        values = []
        try:
            for example in range(len(self.expected)):
                given = [entry[1][example] for entry in arguments]
                if not _is_affordable(expression, given, self.largest_count):
                    return
                signal.setitimer(signal.ITIMER_REAL, _EVALUATION_S)
                values.append(function(*given))
        except Exception:  # whatever a made-up expression raises, it is not the wanted one
            return
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        for entry in arguments:
            marks |= entry[2]
        self.keep(cost, expression.format(*(_enclosed(entry[0]) for entry in arguments)), values, marks)

    def keep(self, cost: int, text: str, values: list[Any], marks: int) -> None:
        """Take an expression in, unless it is too large or a cheaper one has its values and accounts for as much."""
        if not all(_is_modest(value) for value in values):
            return
        written = repr(values)
        known = self.seen.setdefault(written, [])
        if any(marks | other == other for other in known) or len(written) > _MOST_TEXT or " at 0x" in written:
            return
        known.append(marks)
        if all(_same(value, wanted) for value, wanted in zip(values, self.expected, strict=True)):
            if marks & self.variable_marks:
                total = cost + sum(weight for bit, weight in self.weights if not marks & bit)
                self.found.append((total, cost, marks, text))
                self.best = min(self.best, total)
            return
        for kind in shared_kinds(values):
            self.entries.setdefault((cost, kind), []).append((text, values, marks))


def _function(expression: str, takes: list[str], names: dict[str, Any]) -> Any:
    """The block as a function of its arguments."""
    places = [f"a{place}" for place in range(len(takes))]
    return eval(f"lambda {', '.join(places)}: {expression.format(*places)}", names)


def _same(value: Any, wanted: Any) -> bool:
    if isinstance(value, float) or isinstance(wanted, float):
        numbers = isinstance(value, int | float) and isinstance(wanted, int | float) and not isinstance(value, bool)
        return numbers and math.isclose(value, wanted, rel_tol=1e-6, abs_tol=1e-9)
    if type(value) is not type(wanted):
        return False
    if isinstance(value, list | tuple):
        return len(value) == len(wanted) and all(_same(a, b) for a, b in zip(value, wanted, strict=True))
    if isinstance(value, dict):
        return value.keys() == wanted.keys() and all(_same(value[key], wanted[key]) for key in wanted)
    return bool(value == wanted)


def _is_modest(value: Any) -> bool:
    """Whether a value is small enough to be written down and built on; examples are small, so wanted values are."""
    if isinstance(value, int):
        return -_LARGEST_INTEGER < value < _LARGEST_INTEGER
    if isinstance(value, str):
        return len(value) <= _MOST_TEXT
    if isinstance(value, list | tuple | set | frozenset):
        return len(value) <= _MOST_ITEMS and all(map(_is_modest, value))
    if isinstance(value, dict):
        return len(value) <= _MOST_ITEMS and all(map(_is_modest, value)) and all(map(_is_modest, value.values()))
    return True


def _is_affordable(expression: str, given: list[Any], largest_count: int) -> bool:
    """Whether evaluating a block on these arguments takes but a moment."""
    numbers = [number for number in given if isinstance(number, int | float)]
    if "** {1}" in expression or "<<" in expression:
        return bool(numbers) and abs(numbers[-1]) <= _LARGEST_EXPONENT
    if "factorial" in expression:
        return all(number <= _LARGEST_FACTORIAL for number in numbers)
    if "range(" in expression or expression.startswith("_") or "* {1}" in expression:
        return all(abs(number) <= largest_count for number in numbers)
    return True


def _integers(value: Any) -> list[int]:
    """All integers anywhere inside a plain value."""
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, list | tuple | set):
        return [number for item in value for number in _integers(item)]
    return [value] if isinstance(value, int) else []


def _enclosed(text: str) -> str:
    """Parentheses where an expression inside another may need them; the code is tidied afterwards."""
    return text if text.isidentifier() else f"({text})"


def _too_slow(*_: object) -> None:
    raise TimeoutError
