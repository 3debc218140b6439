"""Kinds of values: what an argument can be used as. Runs in the sandbox too, so it needs nothing but Python.

A value has all kinds that fit it: `[1, 2]` is a list, a seq, an iter, nums and ints. An empty list is of every kind of
list. Values of several examples have the kinds that all of them share.
"""

from collections.abc import Iterable


def kinds_of(value: object) -> frozenset[str]:
    """The kinds of one value."""
    if isinstance(value, bool):
        return frozenset(("any", "bool"))
    if isinstance(value, int):
        return frozenset(("any", "int", "num"))
    if isinstance(value, float):
        return frozenset(("any", "float", "num"))
    if isinstance(value, str):
        return frozenset(("any", "str"))
    if isinstance(value, list | tuple):
        kind = "list" if isinstance(value, list) else "tuple"
        return frozenset(("any", "seq", "iter", kind)) | item_kinds(value)
    if isinstance(value, set | frozenset):
        return frozenset(("any", "iter", "set")) | item_kinds(value)
    if isinstance(value, dict):
        return frozenset(("any", "dict")) | {f"dict_{kind}" for kind in item_kinds(value.values())}
    return frozenset(("any", "none")) if value is None else frozenset(("any",))


def item_kinds(items: Iterable[object]) -> frozenset[str]:
    """What the items of a collection have in common; all of it when there are none."""
    every = [kinds_of(item) for item in items]
    names = {"int": "ints", "num": "nums", "bool": "bools", "str": "strs", "seq": "rows", "dict": "records"}
    shared = {name for kind, name in names.items() if all(kind in kinds for kinds in every)}
    if "rows" in shared:
        rows = [list(item) for item in items]  # type: ignore[call-overload]  # all of them are sequences
        shared |= {"grids"} if all("nums" in kinds for kinds in every) else set()
        shared |= {"pairs"} if all(len(row) == 2 for row in rows) else set()
    return frozenset(shared)


def shared_kinds(values: Iterable[object]) -> frozenset[str]:
    """The kinds that all values share."""
    kinds = [kinds_of(value) for value in values]
    return frozenset.intersection(*kinds) if kinds else frozenset(("any",))
